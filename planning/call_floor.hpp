// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "calibration/predict.hpp"
#include "core/card.hpp"

namespace moecal::planning {

/// What no call can be faster than, by a card's nominal figures, and of which of them it is.
struct CallFloor {
  double seconds = 0;
  std::string of;  // e.g. "nominal peak of bf16"
};

/// Of a product its arithmetic at 1.02 times the peak; of a working set of more than 4 times the
/// last-level cache its bytes at 1.02 times the memory bandwidth; of a collective what each rank's
/// link, or each node's, must carry once even if switches add up: all_reduce its bytes once.
/// Nothing where the spec sheet lacks the figure, or no formula says what must be done (routed
/// layers and exchanges, host work). In the dtype asked for; `conditions` are of the model that
/// answers.
[[nodiscard]] std::optional<CallFloor> call_floor(const Card& card, const calibration::Query& query,
                                                  const calibration::Conditions& conditions);

}  // namespace moecal::planning
