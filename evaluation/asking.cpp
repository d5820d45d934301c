// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluation/asking.hpp"

#include "core/error.hpp"

namespace moecal::evaluation {

calibration::Query query_of(const Observation& call) {
  calibration::Query query{
      .operation = call.operation, .dtype = call.dtypes.a, .point = call.point};
  query.group = call.ranks.group;
  query.tier = call.ranks.tier;
  return query;
}

Estimate ask(const calibration::Coefficients& coefficients, const calibration::Query& query) {
  const auto answer = calibration::predict(coefficients, query);
  if (!answer.prediction) throw Error{"a held-out row has no prediction: " + answer.missing};
  return {answer.prediction->seconds, answer.prediction->lo, answer.prediction->hi};
}

}  // namespace moecal::evaluation
