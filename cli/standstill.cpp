// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/standstill.hpp"

namespace moecal::cli {

bool Standstill::is_too_long() {
  const auto now = std::chrono::steady_clock::now();
  const State current = state();
  if (!asked_ || current != last_) since_ = now;
  asked_ = true;
  last_ = current;
  if (now - since_ < longest_) return false;
  noted_ = note_.left();
  return true;
}

std::vector<Observation> Standstill::note_of_the_silent() const {
  return state().recorded == last_.recorded ? noted_ : std::vector<Observation>{};
}

Standstill::State Standstill::state() const {
  std::error_code missing;
  State state;
  if (const auto size = std::filesystem::file_size(run_file_, missing); !missing)
    state.recorded = size;
  if (const auto time = std::filesystem::last_write_time(note_.path(), missing); !missing)
    state.noted = time;
  return state;
}

}  // namespace moecal::cli
