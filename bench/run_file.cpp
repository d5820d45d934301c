// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/run_file.hpp"

#include <filesystem>
#include <fstream>

namespace moecal::bench {
namespace {

constexpr char kEnded[] = "the launch ended while this point was measured";
constexpr int kTries = 2;

}  // namespace

// The appender comes first: it cuts off the half line of a writer that was killed, which the reader
// would otherwise still see.
RunFile::RunFile(const std::string& path, std::string run_id)
    : path_{path}, run_id_{std::move(run_id)}, appender_{path} {
  const auto file = read_observations(path);
  for (const auto& environment : file.environments) environments_.insert(environment.id());
  for (const auto& observation : file.observations)
    if (observation.run_id == run_id_) count(observation);
  record_left_note();
}

void RunFile::count(const Observation& observation) {
  if (observation.outcome == Outcome::skipped && observation.reason == kNotBegun) return;
  if (observation.outcome == Outcome::measured) ++measured_;
  if (observation.outcome != Outcome::failed)
    done_.insert(observation.key());
  else if (observation.reason == kEnded)
    ++ended_[observation.key()];
}

bool RunFile::given_up(const std::string& key) const {
  const auto found = ended_.find(key);
  return found != ended_.end() && found->second >= kTries;
}

std::vector<Observation> RunFile::read_back(const std::set<std::string>& keys) const {
  std::vector<Observation> found;
  for (auto& observation : read_observations(path_).observations)
    if (observation.run_id == run_id_ && keys.count(observation.key()) > 0)
      found.push_back(std::move(observation));
  return found;
}

// A note that cannot be read was cut short itself: then nothing was measured after it either.
void RunFile::record_left_note() {
  std::error_code missing;
  if (!std::filesystem::exists(note(), missing)) return;
  ObservationFile left;
  try {
    left = read_observations(note());
  } catch (const InvalidInput&) {
    left = {};
  }
  for (const auto& observation : left.observations) {
    appender_.append(to_json_line(observation));
    if (observation.run_id == run_id_) count(observation);
  }
  forget();
}

void RunFile::begin(Observation observation) {
  observation.outcome = Outcome::failed;
  observation.reason = kEnded;
  std::ofstream stream{note()};
  stream << to_json_line(observation) << std::flush;
  if (!stream) throw Error{"could not write '" + note() + "': is the disk full?"};
}

void RunFile::forget() const {
  std::error_code missing;
  std::filesystem::remove(note(), missing);
}

void RunFile::write_environment(const Environment& environment) {
  if (environments_.insert(environment.id()).second) appender_.append(to_json_line(environment));
}

void RunFile::append(const Observation& observation) {
  forget();
  appender_.append(to_json_line(observation));
  count(observation);
}

}  // namespace moecal::bench
