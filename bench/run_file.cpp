// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/run_file.hpp"

namespace moecal::bench {

// The appender comes first: it cuts off the half line of a writer that was killed, which the reader
// would otherwise still see.
RunFile::RunFile(const std::string& path, std::string run_id)
    : path_{path}, run_id_{std::move(run_id)}, appender_{path}, note_{path} {
  const auto file = read_observations(path);
  for (const auto& environment : file.environments) environments_.insert(environment.id());
  for (const auto& observation : file.observations)
    if (observation.run_id == run_id_) count(observation);
  record_left_note();
}

void RunFile::count(const Observation& observation) {
  if (is_not_begun(observation)) return;
  if (observation.outcome == Outcome::measured) ++measured_;
  ended_.count(observation);
  if (is_ended(observation)) return;
  const bool failed = observation.outcome == Outcome::failed;
  (failed ? failed_ : done_).insert(observation.key());
}

std::vector<Observation> RunFile::read_back(const std::set<std::string>& keys) const {
  std::vector<Observation> found;
  for (auto& observation : read_observations(path_).observations)
    if (observation.run_id == run_id_ && keys.count(observation.key()) > 0)
      found.push_back(std::move(observation));
  return found;
}

void RunFile::record_left_note() {
  for (const auto& observation : note_.left()) {
    appender_.append(to_json_line(observation));
    if (observation.run_id == run_id_) count(observation);
  }
  forget();
}

void RunFile::write_environment(const Environment& environment) {
  if (environments_.insert(environment.id()).second) appender_.append(to_json_line(environment));
}

void RunFile::append(const Observation& observation) {
  forget();
  const auto line = to_json_line(observation);
  // There are hundreds when a run's time is over; without such a line the point is measured later
  // all the same.
  if (is_not_begun(observation))
    appender_.append_unflushed(line);
  else
    appender_.append(line);
  count(observation);
}

}  // namespace moecal::bench
