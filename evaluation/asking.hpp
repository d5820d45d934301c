// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "calibration/predict.hpp"
#include "core/observation.hpp"
#include "evaluation/score.hpp"

/// Asking coefficients as `moecal predict` does.
namespace moecal::evaluation {

/// What is asked for to be told a call's time: nothing of its card, system or implementation.
[[nodiscard]] calibration::Query query_of(const Observation& call);

/// @throws Error if there is no answer: whoever held a row out asks for what it can be told.
[[nodiscard]] Estimate ask(const calibration::Coefficients& coefficients,
                           const calibration::Query& query);

}  // namespace moecal::evaluation
