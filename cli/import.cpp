// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "cli/verbs.hpp"
#include "core/error.hpp"

namespace moecal::cli {

void add_import(CLI::App& app) {
  app.add_subcommand("import", "not built yet")->callback([] {
    throw Error{"'import' is not built yet"};
  });
}

}  // namespace moecal::cli
