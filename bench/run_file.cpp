// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/run_file.hpp"

namespace moecal::bench {

// The appender comes first: it cuts off the half line of a writer that was killed, which the reader
// would otherwise still see.
RunFile::RunFile(const std::string& path, std::string run_id)
    : path_{path}, run_id_{std::move(run_id)}, appender_{path} {
  const auto file = read_observations(path);
  for (const auto& environment : file.environments) environments_.insert(environment.id());
  for (const auto& observation : file.observations)
    if (observation.run_id == run_id_ && observation.outcome != Outcome::failed)
      done_.insert(observation.key());
}

void RunFile::write_environment(const Environment& environment) {
  if (environments_.insert(environment.id()).second) appender_.append(to_json_line(environment));
}

void RunFile::append(const Observation& observation) {
  appender_.append(to_json_line(observation));
  if (observation.outcome != Outcome::failed) done_.insert(observation.key());
}

}  // namespace moecal::bench
