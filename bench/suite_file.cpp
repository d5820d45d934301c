// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/suite_file.hpp"

#include <filesystem>
#include <fstream>

#include "core/json_reader.hpp"
#include "core/routing_loads.hpp"

namespace moecal::bench {
namespace {

Dtypes read_dtypes(const JsonReader& reader) {
  reader.allow_only({"a", "b", "c", "accumulate", "scale_mode", "layout"});
  const auto text = [&](const char* field) { return reader.optional<std::string>(field, ""); };
  return {text("a"), text("b"), text("c"), text("accumulate"), text("scale_mode"), text("layout")};
}

Ranks read_ranks(const JsonReader& reader) {
  reader.allow_only({"world", "group", "placement", "concurrent_groups", "nodes", "tier"});
  Ranks ranks;
  ranks.world = reader.optional("world", ranks.world);
  ranks.group = reader.optional("group", ranks.group);
  ranks.placement = reader.optional("placement", ranks.placement);
  ranks.concurrent_groups = reader.optional("concurrent_groups", ranks.concurrent_groups);
  ranks.nodes = reader.optional("nodes", ranks.nodes);
  ranks.tier = reader.optional("tier", ranks.tier);
  return ranks;
}

// "loads": the numbers, or the file that holds them, seen from the suite file's folder.
std::vector<double> read_loads(const JsonReader& reader, const std::string& suite) {
  if (!reader.has("loads")) return {};
  if (!reader.json().at("loads").is_string()) return reader.require<std::vector<double>>("loads");
  const std::filesystem::path named{reader.require<std::string>("loads")};
  return read_expert_loads(std::filesystem::path{suite}.parent_path() / named);
}

RoutingSpec read_routing(const JsonReader& reader, const std::string& suite) {
  reader.allow_only({"distribution", "seed", "exponent", "capacity_factor", "loads"});
  RoutingSpec routing;
  routing.distribution = reader.optional("distribution", routing.distribution);
  routing.seed = reader.optional("seed", routing.seed);
  routing.exponent = reader.optional("exponent", routing.exponent);
  routing.capacity_factor = reader.optional("capacity_factor", routing.capacity_factor);
  routing.loads = read_loads(reader, suite);
  check_routing_loads(reader, routing.distribution, routing.loads);
  return routing;
}

Case read_case(const JsonReader& reader, const std::string& suite) {
  reader.allow_only({"operation", "point", "dtypes", "ranks", "routing"});
  Case c;
  c.point = reader.require<Point>("point");
  for (const auto& [name, value] : c.point)
    if (value < 0) reader.fail("point." + name, "is negative");
  if (reader.has("dtypes")) c.dtypes = read_dtypes(reader.object("dtypes"));
  if (reader.has("ranks")) c.ranks = read_ranks(reader.object("ranks"));
  c.routed = reader.has("routing");
  if (c.routed) c.routing = read_routing(reader.object("routing"), suite);
  return c;
}

}  // namespace

SuiteCases read_suite(const std::string& path) {
  std::ifstream stream{path};
  if (!stream)
    throw InvalidInput{"cannot read the suite '" + path +
                       "': it is neither quick, planner or full nor a file that can be read"};
  SuiteCases cases;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.empty()) continue;
    const FileLine where{path, number};
    const auto json = parse_json(line, where);
    const JsonReader reader{json, where};
    cases[reader.require<std::string>("operation")].push_back({read_case(reader, path), where});
  }
  if (cases.empty()) throw InvalidInput{"the suite '" + path + "' holds no case"};
  return cases;
}

}  // namespace moecal::bench
