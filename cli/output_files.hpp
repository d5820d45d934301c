// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>

namespace moecal::cli {

/// A file that a verb will write, and the option that named it, e.g. "--out".
struct OutputFile {
  std::string option, path;  // an empty path is not written
};

/// Holds, before anything is read or written, that no output would overwrite an input or another
/// output; links count as what they lead to. Devices (/dev/null) may be named twice.
/// @throws InvalidInput naming both files.
void check_outputs(std::span<const OutputFile> outputs, std::span<const std::string> inputs);

}  // namespace moecal::cli
