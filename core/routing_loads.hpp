// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <istream>
#include <string>
#include <vector>

namespace moecal {

class JsonReader;

/// What a model's experts were given, as somebody recorded it: RoutingSpec::loads of the
/// distribution "recorded". One number a line (empty lines and those that start with # are left
/// out), or a JSON array of numbers. Their sum does not matter.
/// @throws InvalidInput naming file and line: no number, a negative one, none at all, or all 0.
[[nodiscard]] std::vector<double> read_expert_loads(const std::string& path);
/// The same from a stream; `name` stands for the file in messages.
[[nodiscard]] std::vector<double> read_expert_loads(std::istream& stream, const std::string& name);

/// Of a routing in JSON: loads go with the distribution "recorded" and that with them, and none is
/// negative. @throws InvalidInput naming the reader's file, line and field 'loads'.
void check_routing_loads(const JsonReader& reader, const std::string& distribution,
                         const std::vector<double>& loads);

}  // namespace moecal
