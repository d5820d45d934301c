// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "planning/claims.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/json_reader.hpp"

namespace moecal::planning {
namespace {

using Strings = std::vector<std::string>;

void require_one_of(const JsonReader& reader, const std::string& field, const Strings& known) {
  const auto value = reader.require<std::string>(field);
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  std::string list;
  for (const auto& word : known) list += " " + word;
  reader.fail(field, "is '" + value + "'; known:" + list);
}

void require_schema(const JsonReader& reader, const std::string& schema) {
  const auto found = reader.require<std::string>("schema");
  if (found != schema)
    reader.fail("schema", "is '" + found + "', but this moecal reads '" + schema + "'");
}

Comparison read_comparison(const JsonReader& reader, Comparison comparison) {
  static const Strings kComparators{"=", "~", "<", "<=", ">", ">=", "range"};
  if (reader.has("comparator")) require_one_of(reader, "comparator", kComparators);
  comparison.comparator = reader.optional("comparator", comparison.comparator);
  comparison.tolerance = reader.optional("tolerance", comparison.tolerance);
  if (reader.has("range")) {
    const auto range = reader.require<std::vector<double>>("range");
    if (range.size() != 2 || range[0] > range[1])
      reader.fail("range", "is not two numbers, lower first");
    comparison.range = {range[0], range[1]};
  }
  if (comparison.comparator == "range" && !comparison.range) reader.fail("range", "is missing");
  return comparison;
}

std::vector<Parameter> read_parameters(const JsonReader& claim) {
  std::vector<Parameter> parameters;
  if (!claim.has("parameters")) return parameters;
  const auto all = claim.object("parameters");
  for (const auto& [name, unused] : all.json().items()) {
    const auto one = all.object(name);
    one.allow_only({"value", "source", "placeholder"});
    parameters.push_back({name, one.require<double>("value"), one.require<std::string>("source"),
                          one.optional("placeholder", false)});
  }
  return parameters;
}

std::vector<Reading> read_readings(const JsonReader& claim, const std::string& field) {
  std::vector<Reading> readings;
  if (!claim.has(field)) return readings;
  for (const auto& one : claim.objects(field)) {
    one.allow_only({"name", "formula"});
    readings.push_back({one.require<std::string>("name"), one.require<std::string>("formula")});
  }
  return readings;
}

// A number, or a formula of the claim's value.
std::optional<std::string> read_claimed(const JsonReader& finding) {
  if (!finding.has("claimed") || finding.json()["claimed"].is_null()) return std::nullopt;
  if (finding.json()["claimed"].is_number()) return finding.json()["claimed"].dump();
  return finding.require<std::string>("claimed");
}

std::vector<Finding> read_findings(const JsonReader& reader, const Claim& claim) {
  static const Strings kChecks{"arithmetic", "consistency", "simulation",
                               "floor",      "capacity",    "nominal"};
  static const Strings kBases{"stated", "assumed", "fitted"};
  std::vector<Finding> findings;
  if (!reader.has("findings")) return findings;
  for (const auto& one : reader.objects("findings")) {
    one.allow_only({"check", "basis", "formula", "unit", "note", "claimed", "hardware",
                    "comparator", "tolerance", "range"});
    require_one_of(one, "check", kChecks);
    require_one_of(one, "basis", kBases);
    Finding finding;
    finding.check = one.require<std::string>("check");
    finding.basis = one.require<std::string>("basis");
    finding.formula = one.require<std::string>("formula");
    finding.unit = one.optional("unit", claim.unit);
    finding.note = one.optional<std::string>("note", "");
    finding.claimed = read_claimed(one);
    if (one.has("hardware")) require_one_of(one, "hardware", {"document", "nominal"});
    finding.nominal_hardware = one.optional<std::string>("hardware", "document") == "nominal";
    finding.comparison = read_comparison(one, claim.comparison);
    findings.push_back(std::move(finding));
  }
  return findings;
}

Claim read_claim(const JsonReader& reader, const std::string& document) {
  static const Strings kCheckable{"arithmetic", "bound", "measured", "unfalsifiable"};
  reader.allow_only({"id", "lines", "quantity", "kind", "value", "unit", "comparator", "tolerance",
                     "range", "checkability", "operationalised", "formula", "parameters",
                     "assumptions", "readings", "contrasts", "findings", "needs"});
  require_one_of(reader, "checkability", kCheckable);
  Claim claim;
  claim.id = reader.require<std::string>("id");
  claim.document = document;
  claim.quantity = reader.require<std::string>("quantity");
  claim.kind = reader.require<std::string>("kind");
  claim.unit = reader.require<std::string>("unit");
  claim.checkability = reader.require<std::string>("checkability");
  claim.lines = reader.require<std::vector<int>>("lines");
  claim.comparison.value = reader.require<double>("value");
  (void)reader.require<std::string>("comparator");
  claim.comparison = read_comparison(reader, claim.comparison);
  claim.operationalised = reader.optional("operationalised", false);
  claim.formula = claim.checkability == "unfalsifiable"
                      ? reader.optional<std::string>("formula", "")
                      : reader.require<std::string>("formula");
  claim.parameters = read_parameters(reader);
  claim.assumptions = reader.optional("assumptions", Strings{});
  claim.readings = read_readings(reader, "readings");
  claim.contrasts = read_readings(reader, "contrasts");
  claim.findings = read_findings(reader, claim);
  claim.needs = reader.optional("needs", Strings{});
  return claim;
}

Conclusion read_conclusion(const JsonReader& reader, const std::string& document) {
  reader.allow_only({"id", "lines", "statement", "winner", "loser", "unit", "readings"});
  Conclusion conclusion;
  conclusion.id = document + "." + reader.require<std::string>("id");
  conclusion.document = document;
  conclusion.statement = reader.require<std::string>("statement");
  conclusion.unit = reader.require<std::string>("unit");
  conclusion.lines = reader.require<std::vector<int>>("lines");
  conclusion.cases.push_back({"as formulated", reader.require<std::string>("winner"),
                              reader.require<std::string>("loser")});
  for (const auto& one : reader.objects("readings")) {
    one.allow_only({"name", "winner", "loser"});
    conclusion.cases.push_back({one.require<std::string>("name"),
                                one.require<std::string>("winner"),
                                one.require<std::string>("loser")});
  }
  return conclusion;
}

std::optional<double> read_rate(const JsonReader& reader, const std::string& field) {
  if (!reader.has(field)) return std::nullopt;
  return reader.require<double>(field);
}

Hardware read_hardware(const JsonReader& reader, const std::string& slug) {
  reader.allow_only({"source", "stated_by_document", "peak_flops", "links_bytes_per_second",
                     "memory_bytes_per_second", "host_link_bytes_per_second",
                     "host_memory_bytes_per_second_per_rank"});
  Hardware hardware;
  hardware.source = "the hardware of " + slug;
  hardware.peak_flops = reader.require<std::map<std::string, double>>("peak_flops");
  hardware.links = reader.require<std::map<std::string, double>>("links_bytes_per_second");
  hardware.memory = read_rate(reader, "memory_bytes_per_second");
  hardware.host_link = read_rate(reader, "host_link_bytes_per_second");
  hardware.host_memory = read_rate(reader, "host_memory_bytes_per_second_per_rank");
  return hardware;
}

Document read_document(const std::string& path) {
  const auto json = parse_json(read_file(path), {path, 0});
  const JsonReader reader{json, {path, 0}};
  require_schema(reader, kClaimsSchema);
  reader.allow_only({"schema", "document", "constants", "hardware", "claims", "conclusions"});
  Document document;
  document.path = path;
  const auto header = reader.object("document");
  header.allow_only({"slug", "title", "file", "lines", "sha256"});
  document.slug = header.require<std::string>("slug");
  document.title = header.require<std::string>("title");
  document.sha256 = header.require<std::string>("sha256");
  document.constants = reader.require<std::map<std::string, double>>("constants");
  document.hardware = read_hardware(reader.object("hardware"), document.slug);
  for (const auto& one : reader.objects("claims"))
    document.claims.push_back(read_claim(one, document.slug));
  if (reader.has("conclusions"))
    for (const auto& one : reader.objects("conclusions"))
      document.conclusions.push_back(read_conclusion(one, document.slug));
  return document;
}

std::vector<DerivedFunction> read_functions(const std::string& path) {
  const auto json = parse_json(read_file(path), {path, 0});
  const JsonReader reader{json, {path, 0}};
  require_schema(reader, kFunctionsSchema);
  std::vector<DerivedFunction> functions;
  reader.allow_only({"schema", "functions"});
  for (const auto& one : reader.objects("functions")) {
    one.allow_only({"name", "parameters", "formula"});
    functions.push_back({one.require<std::string>("name"), one.require<Strings>("parameters"),
                         one.require<std::string>("formula")});
  }
  return functions;
}

void require_unique_ids(const ClaimSet& set) {
  std::set<std::string> seen;
  for (const auto& document : set.documents)
    for (const auto& claim : document.claims)
      if (!seen.insert(claim.id).second)
        throw InvalidInput{document.path + ": claim id '" + claim.id + "' occurs twice"};
}

}  // namespace

ClaimSet read_claims(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator{folder, error})
    if (entry.path().extension() == ".json" && entry.path().stem() != "functions" &&
        entry.path().stem() != "primitives")
      paths.push_back(entry.path().string());
  if (error)
    throw InvalidInput{"cannot read the claims folder '" + folder + "': " + error.message()};
  if (paths.empty()) throw InvalidInput{"the claims folder '" + folder + "' holds no claims file"};
  std::sort(paths.begin(), paths.end());
  ClaimSet set;
  set.functions = read_functions(folder + "/functions.json");
  for (const auto& path : paths) set.documents.push_back(read_document(path));
  require_unique_ids(set);
  return set;
}

}  // namespace moecal::planning
