// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "bench/session.hpp"

namespace moecal::bench {

/// Google Benchmark's own --help, after ours.
void print_google_help();
/// Hands Google Benchmark its command line, which has to outlive the run; ranks that do not report
/// get no output file.
/// @throws InvalidInput naming the first option that nobody knows.
void initialize_google(std::vector<std::string>& arguments, bool reports);
/// Who says what: ranks other than 0 say nothing at all.
enum class Report { nothing, progress, progress_and_table };

/// Registers every entry of the session with one iteration and manual time, and runs them: Google
/// Benchmark filters, repeats, prints and writes its JSON; the times come from the session.
void run_under_google(Session& session, Report report);

}  // namespace moecal::bench
