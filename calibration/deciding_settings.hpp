// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "calibration/coefficients.hpp"
#include "core/observation.hpp"

namespace moecal::calibration {

struct Series;

/// What of an environment's settings decides how long an observation's operation takes: of
/// communication the libraries' variables (NCCL_ALGO, UCX_TLS, ...) but for those that say where
/// things are, what is logged or which version it is; of a device's own work its power limit and
/// clock; of a CPU's its threads. Without those that are empty.
[[nodiscard]] Settings deciding_settings(const Observation& observation,
                                         const Environment& environment);

/// A series and the deciding settings that all its observations have.
struct SetSeries {
  Series* series = nullptr;
  const Settings* settings = nullptr;
};

/// Makes conditions of the settings in which an operation's series on one machine differ; what all
/// share is no condition. Where one says nothing its variable is "unset"; its limit is that of the
/// others, if they all have one, and else "unrecorded". So series may then have the same id.
void tell_apart(std::span<const SetSeries> all);

/// "NCCL_ALGO=Ring NCCL_PROTO=unset"; "" of none.
[[nodiscard]] std::string settings_text(const Settings& settings);

/// Whether it is a variable that was set: not what one gets without a word. A device's limit or
/// clock is always something, and a CPU has some number of threads.
[[nodiscard]] bool is_set_variable(const Settings::value_type& setting);

/// A setting in the words of the fit, whichever source's it comes in: power_limit_watts=700.0 is
/// power_limit_w=700.
[[nodiscard]] std::pair<std::string, std::string> in_own_words(const std::string& name,
                                                               const std::string& value);

/// Whether all of them are variables that were not set: what one gets without a word.
[[nodiscard]] bool are_defaults(const Settings& settings);

/// How many of them nobody wrote down.
[[nodiscard]] std::ptrdiff_t unrecorded(const Settings& settings);

/// Whether both say something of a setting, and not the same.
[[nodiscard]] bool contradict(const Settings& a, const Settings& b);

}  // namespace moecal::calibration
