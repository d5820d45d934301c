// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <CLI/CLI.hpp>

#include "calibration/predict.hpp"

namespace moecal::cli {

/// --routing, --exponent and --capacity of a query.
void add_routing_options(CLI::App& verb, calibration::Query& query);

/// --skew of a query that has the options above.
void add_skew_option(CLI::App& verb, calibration::Query& query);
/// @throws InvalidInput for a skew beside a routing, whose loads have been read.
void check_skew(const calibration::Query& query);

/// The loads of a recorded routing, from a file; `path` may be empty.
/// @throws InvalidInput where they go with another routing, or an operation whose rows follow from
/// them lacks them.
void read_loads(calibration::Query& query, const std::string& path);

}  // namespace moecal::cli
