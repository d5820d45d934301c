// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <istream>
#include <numeric>
#include <optional>
#include <variant>

#include "core/directory.hpp"
#include "core/dtype.hpp"
#include "core/hash.hpp"
#include "core/json_reader.hpp"
#include "core/observation.hpp"
#include "core/parallel.hpp"
#include "core/routing_loads.hpp"

namespace moecal {
namespace {

Dtypes read_dtypes(const JsonReader& r) {
  for (const char* role : {"a", "b", "c", "accumulate"}) {
    const auto name = r.require<std::string>(role);
    try {
      if (!name.empty()) (void)parse_dtype(name);
    } catch (const InvalidInput& error) {
      r.fail(role, std::string{"is wrong: "} + error.what());
    }
  }
  return {r.require<std::string>("a"),          r.require<std::string>("b"),
          r.require<std::string>("c"),          r.require<std::string>("accumulate"),
          r.require<std::string>("scale_mode"), r.require<std::string>("layout")};
}

RoutingSpec read_routing(const JsonReader& r) {
  RoutingSpec routing{r.require<std::string>("distribution"), r.require<std::uint64_t>("seed"),
                      r.require<double>("exponent"), r.require<double>("capacity_factor"),
                      r.optional<std::vector<double>>("loads", {})};
  check_routing_loads(r, routing.distribution, routing.loads);
  return routing;
}

Point read_point(const JsonReader& r) {
  auto point = r.require<Point>("point");
  for (const auto& [name, value] : point)
    if (value < 0) r.fail("point." + name, "is negative");
  return point;
}

Ranks read_ranks(const JsonReader& r) {
  for (const char* number : {"world", "group", "nodes"})
    if (r.require<int>(number) < 1) r.fail(number, "is less than 1");
  return {r.require<int>("world"),
          r.require<int>("group"),
          r.require<std::string>("placement"),
          r.require<int>("concurrent_groups"),
          r.require<int>("nodes"),
          r.require<std::string>("tier")};
}

Policy read_policy(const JsonReader& r) {
  return {r.require<std::string>("cache"), r.require<std::string>("graph"),
          r.require<int>("warmup"), r.require<std::uint64_t>("order_seed"),
          r.require<std::string>("stop_rule")};
}

Work read_work(const JsonReader& r) {
  return {Flops{r.require<double>("flops")}, Bytes{r.require<double>("read_bytes")},
          Bytes{r.require<double>("written_bytes")}, Bytes{r.require<double>("sent_bytes")},
          r.require<std::int64_t>("messages")};
}

Source read_source(const JsonReader& r) {
  Source source{r.require<std::string>("kind"), "", "", 0, ""};
  if (source.kind == "measured") return source;
  if (source.kind != "imported") r.fail("kind", "is neither 'measured' nor 'imported'");
  source.tool = r.require<std::string>("tool");
  source.file = r.require<std::string>("file");
  source.line = r.require<int>("line");
  source.sha256 = r.require<std::string>("sha256");
  return source;
}

/// What one rank sends another receives.
void check_exchanged(const JsonReader& r, const ExchangedBytes& exchanged, int group) {
  const auto sum_of = [&](const char* field, const std::vector<std::int64_t>& bytes) {
    if (bytes.size() != static_cast<std::size_t>(group))
      r.fail(field, "has another length than the group has ranks");
    if (std::ranges::any_of(bytes, [](std::int64_t each) { return each < 0; }))
      r.fail(field, "holds a negative number");
    return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0});
  };
  if (sum_of("sent_bytes", exchanged.sent) != sum_of("received_bytes", exchanged.received))
    r.fail("received_bytes", "does not add up to what is sent");
}

ExchangedBytes read_exchanged(const JsonReader& r, int group) {
  using Bytes = std::vector<std::int64_t>;
  ExchangedBytes exchanged{r.require<Bytes>("sent_bytes"), r.require<Bytes>("received_bytes")};
  check_exchanged(r, exchanged, group);
  return exchanged;
}

SampleInfo read_sample(const JsonReader& r) {
  SampleInfo sample{r.require<std::string>("statistic"),
                    r.require<std::int64_t>("iterations_per_sample"),
                    r.require<std::string>("timer")};
  sample.fill = r.optional<std::string>("fill", "");
  sample.buffer_sets = r.optional<int>("buffer_sets", 0);
  sample.touched_sets = r.optional<int>("touched_sets", 0);
  sample.routing_draws = r.optional<std::int64_t>("routing_draws", 0);
  sample.stopped_by = r.optional<std::string>("stopped_by", "");
  return sample;
}

DeviceTrace read_device(const JsonReader& r) {
  return {r.require<std::vector<double>>("sm_clock_hz"),
          r.require<std::vector<double>>("power_w"),
          r.require<std::vector<double>>("temperature_c"),
          r.require<std::vector<std::uint64_t>>("throttle_reasons"),
          r.require<bool>("power_limited"),
          r.require<double>("energy_j"),
          r.require<double>("energy_loop_s")};
}

void read_outcome(const JsonReader& r, Observation& o) {
  const auto kind = r.require<std::string>("kind");
  o.reason = r.require<std::string>("reason");
  for (const auto outcome : {Outcome::measured, Outcome::skipped, Outcome::failed}) {
    if (kind != to_string(outcome)) continue;
    o.outcome = outcome;
    return;
  }
  r.fail("kind", "is not measured, skipped or failed");
}

void read_late_hosts(const JsonReader& r, Observation& o) {
  for (const auto& [rank, host] :
       r.optional<std::map<std::string, std::string>>("late_hosts", {})) {
    if (rank.empty() || rank.find_first_not_of("0123456789") != std::string::npos ||
        rank.size() > 8)
      r.fail("late_hosts." + rank, "is not named by the number of a rank");
    o.late_hosts[std::stoi(rank)] = host;
  }
}

void check_samples(const JsonReader& r, const Observation& o) {
  if (o.outcome == Outcome::measured && o.samples_s.empty())
    r.fail("samples_s", "is empty although the point is measured");
  for (const double s : o.samples_s)
    if (!(s > 0 && s < 1e6))
      r.fail("samples_s", "holds a value that is not a positive number of seconds");
  if (!o.host_s.empty() && o.host_s.size() != o.samples_s.size())
    r.fail("host_s", "has another length than samples_s");
  for (const double s : o.host_s)
    if (!(s >= 0 && s < 1e6)) r.fail("host_s", "holds a value that is no time");
  for (const auto& [name, seconds] : o.parts_s)
    if (seconds.empty() ||
        std::ranges::any_of(seconds, [](double s) { return !(s >= 0 && s < 1e6); }))
      r.fail("parts_s", "holds no seconds of '" + name + "', or a value that is no time");
  for (const auto& [name, cache] : o.parts_cache)
    if (!o.parts_s.contains(name) || (cache != "cold" && cache != "warm"))
      r.fail("parts_cache", "names '" + name + "', which is no part, or is neither cold nor warm");
  for (const auto* flags : {&o.flags.throttled, &o.flags.outlier})
    if (!flags->empty() && flags->size() != o.samples_s.size())
      r.fail("flags", "has another length than samples_s");
  const auto& d = o.device;
  for (const auto length :
       {d.sm_clock_hz.size(), d.power_w.size(), d.temperature_c.size(), d.throttle_reasons.size()})
    if (length != 0 && length != o.samples_s.size())
      r.fail("device", "holds an array of another length than samples_s");
}

Observation read_observation(const JsonReader& r) {
  Observation o;
  o.run_id = r.require<std::string>("run_id");
  o.repetition = r.require<int>("repetition");
  o.operation = r.require<std::string>("operation");
  o.implementation = r.require<std::string>("implementation");
  o.backend = r.require<std::string>("backend");
  o.dtypes = read_dtypes(r.object("dtypes"));
  o.point = read_point(r);
  o.routed = r.has("routing");
  if (o.routed) o.routing = read_routing(r.object("routing"));
  o.work = read_work(r.object("work"));
  o.ranks = read_ranks(r.object("ranks"));
  if (r.has("exchanged")) o.exchanged = read_exchanged(r.object("exchanged"), o.ranks.group);
  o.sample = read_sample(r.object("sample"));
  o.samples_s = r.require<std::vector<double>>("samples_s");
  o.host_s = r.optional<std::vector<double>>("host_s", {});
  const auto flags = r.object("flags");
  o.flags = {flags.require<std::vector<bool>>("throttled"),
             flags.require<std::vector<bool>>("outlier")};
  if (r.has("device")) o.device = read_device(r.object("device"));
  o.skew_s = r.require<std::vector<double>>("skew_s");
  o.call_s = r.optional<std::vector<double>>("call_s", {});
  o.skew_floor_s = r.optional<std::vector<double>>("skew_floor_s", {});
  o.transfer_s = r.optional<std::vector<double>>("transfer_s", {});
  o.late_rank = r.optional<std::vector<int>>("late_rank", {});
  read_late_hosts(r, o);
  o.parts_s = r.optional<std::map<std::string, std::vector<double>>>("parts_s", {});
  o.parts_cache = r.optional<std::map<std::string, std::string>>("parts_cache", {});
  o.figures = r.optional<std::map<std::string, double>>("figures", {});
  read_outcome(r.object("outcome"), o);
  o.policy = read_policy(r.object("policy"));
  const auto verification = r.object("verification");
  o.verification = {verification.require<double>("max_rel_error"),
                    verification.require<double>("tolerance"),
                    verification.require<std::string>("method")};
  const auto library = r.object("library");
  o.library = {
      library.require<std::string>("name"), library.require<std::string>("runtime_version"),
      library.require<std::string>("algorithm"), library.require<std::int64_t>("workspace_bytes")};
  o.environment_id = r.require<std::string>("environment_id");
  o.commit = r.require<std::string>("commit");
  o.source = read_source(r.object("source"));
  o.started_at = r.require<std::string>("started_at");
  check_samples(r, o);
  return o;
}

Environment read_environment(const JsonReader& r) {
  Environment e;
  e.card = r.require<std::string>("card");
  e.system = r.require<std::string>("system");
  e.device_name = r.require<std::string>("device_name");
  e.host = r.require<std::string>("host");
  e.driver = r.require<std::string>("driver");
  e.libraries = r.require<std::map<std::string, std::string>>("libraries");
  e.settings = r.require<std::map<std::string, std::string>>("settings");
  if (e.id() != r.require<std::string>("environment_id"))
    r.fail("environment_id", "does not match the environment: the line was edited");
  return e;
}

/// One of the two, by the line's schema.
using Record = std::variant<Observation, Environment>;

Record read_line(const std::string& line, const FileLine& where) {
  const auto json = parse_json(line, where);
  const JsonReader reader{json, where};
  const auto schema = reader.require<std::string>("schema");
  if (schema == kObservationSchema) {
    auto observation = read_observation(reader);
    observation.digest = sha256(line + "\n").substr(0, 12);
    return observation;
  }
  if (schema == kEnvironmentSchema) return read_environment(reader);
  reader.fail("schema", "is '" + schema + "'; this moecal reads " + kObservationSchema + " and " +
                            kEnvironmentSchema);
}

struct Line {
  int number = 0;
  std::string text;
  bool unfinished = false;  // no newline: the writer may have died inside this line
};

constexpr std::size_t kLinesAtOnce = 4096;

/// The next lines that are not empty, at most kLinesAtOnce.
std::vector<Line> next_lines(std::istream& stream, int& number) {
  std::vector<Line> lines;
  for (std::string text; lines.size() < kLinesAtOnce && std::getline(stream, text);) {
    ++number;
    if (!text.empty()) lines.push_back({number, std::move(text), stream.eof()});
  }
  return lines;
}

}  // namespace

ObservationFile read_observations(std::istream& stream, const std::string& name) {
  ObservationFile file;
  int number = 0;
  for (auto lines = next_lines(stream, number); !lines.empty();
       lines = next_lines(stream, number)) {
    auto records = parallel_map(lines.size(), [&](std::size_t i) -> std::optional<Record> {
      try {
        return read_line(lines[i].text, {name, lines[i].number});
      } catch (const InvalidInput&) {
        // Half a line is what a writer that died leaves; a whole record is judged as any other.
        if (!lines[i].unfinished || nlohmann::json::accept(lines[i].text)) throw;
        return std::nullopt;
      }
    });
    for (auto& record : records)
      if (record && std::holds_alternative<Observation>(*record))
        file.observations.push_back(std::get<Observation>(std::move(*record)));
      else if (record)
        file.environments.push_back(std::get<Environment>(std::move(*record)));
  }
  return file;
}

ObservationFile read_observations(const std::string& path) {
  refuse_directory(path);
  std::ifstream stream{path};
  if (!stream) throw InvalidInput{"cannot read '" + path + "': does it exist, and may it be read?"};
  return read_observations(stream, path);
}

}  // namespace moecal
