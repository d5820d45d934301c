// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}

/// Each verb adds itself to the command line and, when chosen, runs in its callback; errors are
/// thrown.
namespace moecal::cli {

void add_measure(CLI::App& app);
void add_fit(CLI::App& app);
void add_predict(CLI::App& app);
void add_check(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_import(CLI::App& app);
void add_suggest(CLI::App& app);
void add_transfer(CLI::App& app);
void add_compare(CLI::App& app);

}  // namespace moecal::cli
