// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/side_car.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>

#include "core/json_reader.hpp"

namespace moecal::interchange {
namespace {

namespace fs = std::filesystem;

double sample_at(const std::string& bytes, std::size_t index) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < sizeof word; ++i)
    word |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[index * sizeof word + i]))
            << (8 * i);
  return static_cast<double>(std::bit_cast<float>(word));
}

}  // namespace

std::optional<std::vector<double>> side_car_samples(const std::string& document,
                                                    const std::string& path, std::size_t count) {
  const fs::path named{path};
  if (named.is_absolute() || std::find(named.begin(), named.end(), "..") != named.end())
    throw InvalidInput{"the samples' file '" + path + "' is not beside the JSON file"};
  const auto folder = fs::path{document}.parent_path();
  for (const auto& candidate :
       {folder / named, folder / named.parent_path().filename() / named.filename(),
        folder / named.filename()}) {
    std::error_code ignored;
    if (!fs::is_regular_file(candidate, ignored)) continue;
    if (fs::file_size(candidate, ignored) != count * sizeof(float))
      throw InvalidInput{"the samples' file '" + path + "' does not hold " + std::to_string(count) +
                         " samples of 4 bytes"};
    const auto bytes = read_file(candidate.string());
    std::vector<double> samples;
    for (std::size_t i = 0; i < count; ++i) samples.push_back(sample_at(bytes, i));
    return samples;
  }
  return std::nullopt;
}

}  // namespace moecal::interchange
