// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

/// What may be fed with any bytes at all: every import format, and the readers of moecal's own
/// files. One driver (drive) serves libFuzzer and the replay in the tests.
namespace moecal::fuzz {

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
