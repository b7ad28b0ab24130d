# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash

# asked_for NAME: does the shell pattern ONLY match this name of a test, as result()
# prints it, or what follows the first ": " in it? Without ONLY all tests are asked for.
asked_for()
{
	# shellcheck disable=SC2053 # a pattern it is
	[[ -z ${ONLY:-} || $1 == $ONLY || ${1#*: } == $ONLY ]]
}
