// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::interchange {

/// Removes what launchers and log collectors put before each line, in any number of layers:
///   [1,0]<stdout>:  [prterun-host-7@1,0]<stdout>:  [default0]:  [pod/worker-0/main]
/// wherever a line starts so, and what a row may start with too
///   0:   [0]   12:30:01   2026-01-02T12:30:01.5Z stdout F   Fri Jan  2 12:30:01 2026
/// if most of the lines do; a host's name ("node07: ") if every line has the same.
/// Lines keep their numbers.
void remove_launcher_prefixes(std::string& text);

}  // namespace moecal::interchange
