#!/bin/bash
# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
# rsh_agent.sh HOST COMMAND...: what Open MPI calls in place of ssh. A host is a network namespace of that name.
host=$1
shift
exec ip netns exec "$host" unshare --uts bash -c "hostname $host; exec $*"
