// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "calibration/coefficients.hpp"

namespace moecal::calibration {

/// One call of an operation whose time is asked for.
struct Query {
  std::string
      operation{};       // as in observations: all_reduce, expert_gemm, permute, memory_copy, ...
  std::string dtype{};   // as in Dtypes::a; empty: any
  Point point{};         // as in observations; a collective's is {"bytes": S}
  std::string card{};    // whose call it is; empty: the only card that has models of it
  std::string system{};  // of a collective; empty: the only system that has models of it
  int group = 1;
  std::string tier = "intra";
  int nodes = 0;                 // that the group spans; 0: any, as the measured groups are spread
  std::string placement{};       // empty: any
  std::string implementation{};  // empty: any
  std::string scale_mode{};      // empty: any, none and tensor first
  std::string cache{};           // empty: any, cold first: a layer's operands are not in the cache
  std::string routing{};         // its distribution; empty: any, uniform first
  std::optional<double> exponent{};         // of power_law; absent: any, the least first
  std::optional<double> capacity_factor{};  // 0: no limit; absent: any, no limit first
  std::vector<double> loads{};              // of recorded: see RoutingSpec; empty: any
  // Of an exchange by a routing: bytes of the busiest rank over the mean; absent: what the routing
  // comes to in expectation.
  std::optional<double> skew{};
  Settings settings{};       // of Conditions::settings those that matter; empty: any, unset first
  bool any_setting = false;  // where several are left, that of the most points instead of none
};

struct Prediction {
  double seconds = 0;
  double lo = 0, hi = 0;  // 90 % interval, seconds
  std::string model_id;
  std::string provenance;          // measured | imported | transferred | nominal
  std::vector<std::string> flags;  // e.g. "extrapolated x46.6"; empty inside the validity range
  std::string implementation{};    // that one model speaks of; empty where several have a say
};

/// The model that answers a query, or a sentence that says what is missing.
struct Answer {
  std::optional<Prediction> prediction;
  std::string missing;            // e.g. "no model of all_to_all over 32 ranks, tier inter"
  bool several_machines = false;  // the query must choose one of those that `missing` lists
  bool several_settings = false;  // likewise
};

/// Pure: same coefficients and query, same bytes. Machines are never mixed: where models of several
/// match there is no prediction. Where several implementations match, each at its newest release
/// (releases of two libraries do not compare), the fastest at this point answers, and a flag says
/// so.
[[nodiscard]] Answer predict(const Coefficients& coefficients, const Query& query);

/// One model's word on a point of its own operation and dtype, with the same rules outside its
/// validity. `routing` matters to an operation whose cost takes it as a number.
[[nodiscard]] Prediction predict_with(const Model& model, const Point& point,
                                      const RoutingConditions& routing = {});

}  // namespace moecal::calibration
