// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "interchange/importer.hpp"
#include "interchange/launch.hpp"
#include "interchange/nccl_tests_text.hpp"

/// Which collective a run of nccl-tests timed, and over which ranks: its rows do not say.
namespace moecal::interchange {

/// What busbw / algbw can be, as far as the digits printed say.
struct FactorRange {
  double lo = 0, hi = 1e300;
  [[nodiscard]] bool holds(double factor) const {
    return factor >= lo - 1e-9 && factor <= hi + 1e-9;
  }
};

/// busbw over size/time: the time is printed with more digits than algbw is.
[[nodiscard]] FactorRange factor_range(std::int64_t bytes, const NcclTiming& timing);

/// The ranks of a run's group, from the user, the device lines, the launch command or the one
/// number that explains every row's busbw; nothing if none of them tells.
[[nodiscard]] std::optional<Launch> find_launch(const NcclTable& table,
                                                const std::string& operation,
                                                const ImportOptions& options);

/// A sentence if the device lines are of several runs at once, which their ranks' number and rows
/// then do not describe; empty if they are not, or the user gives the ranks.
[[nodiscard]] std::string why_mixed(const NcclTable& table, const ImportOptions& options);

/// A sentence if the device lines, or any one row's busbw, refute what the user gave with --ranks,
/// --nodes or --operation; empty if nothing does. Few digits agree with much: where one row
/// refutes an option, the others are no better known.
[[nodiscard]] std::string why_refuted(const NcclTable& table, const std::string& operation,
                                      const Launch& launch, const ImportOptions& options);

/// The operation of a run, or what is missing to know it.
struct OperationAnswer {
  std::string operation;  // empty: not known
  std::string foreign;    // the name as the file has it, where it has one
  std::string known_from;
};

/// From the user, the header, a command line, the file's name, or, where only one operation can
/// have such rates, busbw / algbw.
[[nodiscard]] OperationAnswer find_operation(const NcclTable& table, const std::string& file_name,
                                             const ImportOptions& options);

}  // namespace moecal::interchange
