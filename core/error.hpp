// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdexcept>
#include <string>

/// The three things that can go wrong. Every message is a sentence that says what was attempted, on
/// what, and, where there is one, what to do about it.
namespace moecal {

/// Something failed: a library call, a file, a rank.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// This machine or build cannot do the point: it is recorded as skipped, with this reason.
struct Unsupported : Error {
  using Error::Error;
};

/// What the user gave is wrong: a file, a line, a field, an option. Exit status 2.
struct InvalidInput : Error {
  using Error::Error;
};

/// Where in a file something was read: "results/a.jsonl:12".
struct FileLine {
  std::string file;
  int line = 0;  // 1-based; 0 when the whole file is meant
  [[nodiscard]] std::string str() const {
    return line == 0 ? file : file + ":" + std::to_string(line);
  }
};

}  // namespace moecal
