// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/routing_options.hpp"

#include "calibration/features.hpp"
#include "core/error.hpp"
#include "core/routing_loads.hpp"

namespace moecal::cli {

void add_routing_options(CLI::App& verb, calibration::Query& query) {
  verb.add_option("--routing", query.routing,
                  "how tokens chose experts; default: uniform first. Of power_law the experts' "
                  "weights fall as a power\nof their rank; of power_law_loads, the word for the "
                  "tables' power_law_X, they are drawn from such a density")
      ->check(CLI::IsMember({"uniform", "balanced", "power_law", "power_law_loads", "recorded"}));
  verb.add_option("--exponent", query.exponent,
                  "of power_law and power_law_loads; default: any, the least first")
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--capacity", query.capacity_factor,
                  "rows an expert takes at most, over the mean; 0: no limit, and the default")
      ->check(CLI::NonNegativeNumber);
}

void add_skew_option(CLI::App& verb, calibration::Query& query) {
  verb.add_option("--skew", query.skew,
                  "of all_to_all_v and dispatch_combine: bytes of the busiest rank over the mean; "
                  "in the place of\n--routing, which comes to a skew of its own")
      ->check(CLI::Range(1.0, 1e6));
}

void check_skew(const calibration::Query& query) {
  if (query.skew && (!query.routing.empty() || query.exponent || query.capacity_factor))
    throw InvalidInput{
        "--skew says how uneven ranks are, and so does a routing: leave --routing, --exponent, "
        "--capacity and --loads"};
}

void read_loads(calibration::Query& query, const std::string& path) {
  if (!path.empty() && !query.routing.empty() && query.routing != "recorded")
    throw InvalidInput{"--loads are of --routing recorded, not of " + query.routing};
  if (!path.empty()) {
    query.routing = "recorded";
    query.loads = read_expert_loads(path);
  } else if (query.routing == "recorded" && calibration::takes_routing(query.operation)) {
    throw InvalidInput{"which rows " + query.operation +
                       " has under a recorded routing is in its loads: --loads FILE"};
  }
}

}  // namespace moecal::cli
