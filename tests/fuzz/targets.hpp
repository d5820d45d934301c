// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "interchange/importer.hpp"

/// What may be fed with any bytes at all: every import format, and the readers of moecal's own
/// files. One driver (drive) serves libFuzzer and the replay in the tests.
namespace moecal::fuzz {

/// Rows that were read and have come to nothing, in silence; empty if there are none. A row may
/// give several observations (in place and out of place), never none: on each line of the file
/// stand at least as many observations, refusals and rows not imported as rows were read of it.
[[nodiscard]] std::string lost_rows(const interchange::Imported& imported);

struct Target {
  std::string name;
  /// What is wrong with how the bytes were taken; empty if nothing is. Refusing them with an
  /// InvalidInput is right.
  std::string (*problem)(const Target& target, const std::string& bytes);
  /// Folders of the source tree with inputs to start from; one may be missing.
  std::vector<std::filesystem::path> corpus;
};

[[nodiscard]] std::vector<Target> targets();
/// @throws InvalidInput listing the targets.
[[nodiscard]] Target find_target(const std::string& name);

/// Feeds a target: its problem, or the exception it should not have thrown.
[[nodiscard]] std::string drive(const Target& target, const std::string& bytes);

}  // namespace moecal::fuzz
