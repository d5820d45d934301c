// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/output_files.hpp"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "calibration/coefficients.hpp"
#include "calibration/flat_csv.hpp"
#include "core/error.hpp"

namespace moecal::cli {
namespace {

namespace fs = std::filesystem;

/// One file of a disk, by whatever names: the same path, a symbolic link or a hard link.
bool are_one_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (fs::exists(a, error) && !fs::is_regular_file(a, error)) return false;
  if (fs::equivalent(a, b, error)) return true;
  // Not there yet: what the names lead to.
  const auto path_a = fs::weakly_canonical(fs::absolute(a, error), error);
  return !error && path_a == fs::weakly_canonical(fs::absolute(b, error), error) && !error;
}

/// Enough to tell a kind by; a longer first line is cut.
std::string first_line(const std::string& path) {
  constexpr std::size_t kMost = 1 << 20;
  std::ifstream file{path};
  std::string line;
  for (char c = 0; line.size() < kMost && file.get(c) && c != '\n';) line += c;
  return line;
}

std::string beginning(const std::string& path) {
  std::string text(sizeof(calibration::kCoefficientsSchema) + 32, '\0');
  std::ifstream file{path};
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  return text;
}

bool is_suite_line(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  return json.is_object() && json.contains("operation") && !json.contains("schema");
}

bool is_of_kind(const std::string& path, OutputKind kind) {
  switch (kind) {
    case OutputKind::observations:
      return true;
    case OutputKind::coefficients:
      return beginning(path).find(calibration::kCoefficientsSchema) != std::string::npos;
    case OutputKind::flat_table:
      return first_line(path).starts_with(calibration::kFlatCsvStart);
    case OutputKind::suite:
      return is_suite_line(first_line(path));
  }
  return false;
}

std::string name_of(OutputKind kind) {
  switch (kind) {
    case OutputKind::observations:
      return "a file of observations";
    case OutputKind::coefficients:
      return "a file of coefficients";
    case OutputKind::flat_table:
      return "a flat table of coefficients";
    case OutputKind::suite:
      return "a suite file";
  }
  return "";
}

/// Somebody's file of another kind, e.g. the table that observations were imported from.
void check_kind(const OutputFile& output) {
  const auto& [option, path, kind] = output;
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) == 0 || error) return;
  if (is_of_kind(path, kind)) return;
  throw InvalidInput{
      option + " would overwrite '" + path + "', which is not " + name_of(kind) +
      " that moecal wrote: name another file, or move that one; nothing was written"};
}

}  // namespace

void check_outputs(std::span<const OutputFile> outputs, std::span<const std::string> inputs) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const auto& [option, path, kind] = outputs[i];
    if (path.empty()) continue;
    for (const auto& input : inputs)
      if (are_one_file(path, input))
        throw InvalidInput{option + " would overwrite '" + path + "', which is the input '" +
                           input + "': name another file; nothing was written"};
    for (const auto& other : outputs.subspan(i + 1))
      if (!other.path.empty() && are_one_file(path, other.path))
        throw InvalidInput{option + " and " + other.option + " are one file, '" + path +
                           "': name two; nothing was written"};
    check_kind(outputs[i]);
  }
}

}  // namespace moecal::cli
