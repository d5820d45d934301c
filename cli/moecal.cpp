// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "cli/verbs.hpp"
#include "core/build.hpp"
#include "core/error.hpp"

namespace {

/// CLI11 would only say that a subcommand is missing.
void check_verb(const CLI::App& app, const std::string& word) {
  std::string names;
  for (const auto* verb : app.get_subcommands({})) {
    if (verb->get_name() == word) return;
    names += (names.empty() ? "" : ", ") + verb->get_name();
  }
  if (!word.starts_with('-'))
    throw moecal::InvalidInput{"'" + word + "' is no verb of moecal; there are: " + names};
}

}  // namespace

// Exit status: 0 done, 1 something failed, 2 the input is wrong.
int main(int argc, char** argv) {
  // Where a parent has it ignored, as some services do, no program's end could be waited for.
  std::signal(SIGCHLD, SIG_DFL);
  CLI::App app{"moecal: what a Mixture-of-Experts layer costs on real hardware", "moecal"};
  app.set_version_flag("--version",
                       std::string{moecal::build::version} + " (" + moecal::build::commit + ")");
  app.require_subcommand(1);
  moecal::cli::add_measure(app);
  moecal::cli::add_import(app);
  moecal::cli::add_fit(app);
  moecal::cli::add_predict(app);
  moecal::cli::add_check(app);
  moecal::cli::add_evaluate(app);
  moecal::cli::add_suggest(app);
  moecal::cli::add_transfer(app);
  moecal::cli::add_compare(app);
  try {
    if (argc > 1) check_verb(app, argv[1]);
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::RuntimeError& error) {  // a verb that has said all there is to say
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    return 2;
  } catch (const moecal::InvalidInput& error) {
    std::cerr << "moecal: " << error.what() << "\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "moecal: " << error.what() << "\n";
    return 1;
  }
}
