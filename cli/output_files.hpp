// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>

namespace moecal::cli {

/// What a verb writes: only a file of the same kind is written over. Observations are appended to,
/// by whoever knows them (LineAppender).
enum class OutputKind { observations, coefficients, flat_table, suite };

/// A file that a verb will write, and the option that named it, e.g. "--out".
struct OutputFile {
  std::string option, path;  // an empty path is not written
  OutputKind kind;
};

/// Holds, before anything is read or written, that no output would overwrite an input, another
/// output, or a file that is not of its kind; links count as what they lead to. Devices (/dev/null)
/// may be named twice, and empty files written.
/// @throws InvalidInput naming the files.
void check_outputs(std::span<const OutputFile> outputs, std::span<const std::string> inputs);

}  // namespace moecal::cli
