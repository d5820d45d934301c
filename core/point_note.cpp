// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/point_note.hpp"

#include <filesystem>
#include <fstream>

#include "core/ended_points.hpp"
#include "core/error.hpp"

namespace moecal {

void PointNote::write(Observation planned) const {
  planned.outcome = Outcome::failed;
  planned.reason = ended_reason();
  std::ofstream stream{path_};
  stream << to_json_line(planned) << std::flush;
  if (!stream) throw Error{"could not write '" + path_ + "': is the disk full?"};
}

void PointNote::remove() const {
  std::error_code missing;
  std::filesystem::remove(path_, missing);
}

std::vector<Observation> PointNote::left() const {
  std::error_code missing;
  if (!std::filesystem::exists(path_, missing)) return {};
  try {
    return read_observations(path_).observations;
  } catch (const InvalidInput&) {
    return {};
  }
}

}  // namespace moecal
