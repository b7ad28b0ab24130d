# SPDX-License-Identifier: GPL-2.0

# "make test" is for several architectures unless it is told which, or which test.
export ARCHES := $(or $(ARCH),x86_64 $(if $(ONLY)$(CONFIG),,arm64 $(if $(filter 1,$(FULL)),arm riscv64)))
ARCH ?= x86_64
DESIGN ?= sticky
export ARCH PAGES DESIGN DEBUG EXTRA CONFIG KERNEL_SRC FORCE TREE SIGNOFF STEPS ENFORCE APPEND MEM FULL ONLY QUICK
export DMB_TOP := $(CURDIR)
export DMB_OUT := $(CURDIR)/out

.PHONY: help deps image run test shell spread compare kselftest bench
.PHONY: tree save apply unapply series check clean
.NOTPARALLEL:

help:
	@scripts/help

deps:
	@scripts/deps

# These compile nothing.
source-deps:
	@SOURCE_ONLY=1 scripts/deps

tree series: source-deps
	@scripts/$@

image check: deps
	@scripts/$@

check: export CHECK = 1
# Some tests of x86_64 need packages of their own.
test: export TESTS_X86_64 = $(filter x86_64,$(ARCHES))

save apply:
	@scripts/$@

unapply:
	@scripts/apply off

# What the first time takes, which deps says before it installs anything, as long as there is
# no build folder of that name
run: export TAKES = $(if $(CONFIG),,5 minutes on two processors, and 3 GB in out/)
run: export BUILT = *
test: export TAKES = $(if $(CONFIG)$(ONLY),,45 minutes on two processors, and 6 GB in out/)
test: export BUILT = *-debug

# Its kernel has no tests.
run: export EXTRA = $(if $(CONFIG),,small)
run test shell: image
	@tools/testing/dmb/$@

kselftest: export EXTRA = kselftest
spread compare kselftest: deps
	@tools/testing/dmb/$@

bench: export EXTRA = bench
bench: deps
	@benchmarks/bench $(PARTS)

clean:
	rm -rf out
