// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/nccl_tests_json.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>

#include "core/json_reader.hpp"
#include "interchange/launch.hpp"

namespace moecal::interchange {
namespace {

using Json = nlohmann::json;

/// A text of which a dying writer left objects and lists open, ended after its last whole one.
struct Ended {
  std::string text;
  std::string cut;  // what came after
};

/// Nothing if the text leaves nothing open, or holds nothing whole.
std::optional<Ended> ended(const std::string& text) {
  std::string open, open_then;  // what closes the objects and lists around a place
  std::size_t whole = 0;        // end of the last whole object or list
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      open.push_back(c == '{' ? '}' : ']');
    } else if (!open.empty() && c == open.back()) {
      open.pop_back();
      open_then = open;
      whole = i + 1;
    }
  }
  if (open.empty() || whole == 0) return std::nullopt;
  return Ended{text.substr(0, whole) + std::string(open_then.rbegin(), open_then.rend()),
               text.substr(whole)};
}

int line_at_end(const std::string& text) {
  return 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

/// Takes apart one parsed file.
class Reader {
 public:
  Reader(const Json& json, const std::string& path) : json_{json, {path, 1}}, path_{path} {}

  NcclJson read() {
    take_head();
    take_devices();
    const auto results = json_.json().find("results");
    if (results == json_.json().end() || !results->is_array())
      json_.fail("results", "is missing or no list: the run died before its first row");
    for (std::size_t i = 0; i < results->size(); ++i) take_row((*results)[i], i);
    take_end();
    return std::move(result_);
  }

 private:
  void take_head() {
    auto& table = result_.table;
    const int version = json_.optional("version", 0);
    if (version < 3 || version > 4)
      note("the file says version " + std::to_string(version) +
           " of its format; versions 3 and 4 are known");
    if (const int code = json_.optional("nccl_version", 0); code > 0)
      table.library_version = std::to_string(code / 10000) + "." +
                              std::to_string(code / 100 % 100) + "." + std::to_string(code % 100);
    const auto args = json_.optional("args", std::vector<std::string>{});
    if (!args.empty()) {
      auto program = std::filesystem::path{args.front()}.filename().string();
      if (program.ends_with("_perf")) program.resize(program.size() - 5);
      table.command_operation = program;
    }
    for (const auto& variable : json_.optional("env", std::vector<std::string>{}))
      if (const auto equals = variable.find('=');
          variable.starts_with("NCCL_") && equals != std::string::npos)
        table.settings[variable.substr(0, equals)] = variable.substr(equals + 1);
  }

  void take_devices() {
    const auto config = json_.object("config");
    auto& table = result_.table;
    table.threads = config.optional("nthreads", 1);
    table.gpus_per_thread = config.optional("ngpus", 1);
    table.warmup = config.optional("warmup_iters", 0);
    table.iterations = std::max(1, config.optional("iterations", 1));
    table.graph_launches = config.optional("graph", 0);
    if (!config.has("devices")) return;
    for (const auto& device : config.objects("devices")) {
      NcclDevice d;
      d.rank = device.require<int>("rank");
      require_below_most(device, "rank", d.rank);
      d.group = device.optional("group", 0);
      d.pid = device.optional("pid", 0);
      d.host = device.optional("hostname", std::string{});
      d.device = device.optional("device", 0);
      require_below_most(device, "device", d.device);
      d.name = device.optional("device_info", std::string{});
      table.devices.push_back(std::move(d));
    }
    list_all_devices();
  }

  /// Ranks and devices are counted on from: one near the largest number would not be.
  static void require_below_most(const JsonReader& device, const char* field, int number) {
    if (number < 0 || number >= kMostRanks)
      device.fail(field, "is " + std::to_string(number) + ", not from 0 to " +
                             std::to_string(kMostRanks - 1));
  }

  /// Only the first device of each process is in the file: the others follow it.
  void list_all_devices() {
    auto& devices = result_.table.devices;
    const auto each = std::int64_t{*result_.table.threads} * *result_.table.gpus_per_thread;
    if (*result_.table.threads < 1 || each < 1 || each > 1024)
      json_.fail("config", "has no sound nthreads and ngpus");
    std::set<int> ranks;
    for (const auto& device : devices) ranks.insert(device.rank);
    const auto first = devices;
    for (const auto& device : first)
      for (int i = 1; i < each; ++i) {
        if (!ranks.insert(device.rank + i).second) break;
        auto next = device;
        next.rank += i;
        next.device += i;
        devices.push_back(std::move(next));
      }
  }

  void take_row(const Json& json, std::size_t index) {
    NcclRow row;
    row.place = "results[" + std::to_string(index) + "]: ";
    row.line = json.is_object() ? json.value(kLineMember, 1) : 1;
    try {
      fill_row(JsonReader{json, {path_, row.line}}, row);
    } catch (const InvalidInput& error) {
      row.problem = error.what();
    }
    result_.table.rows.push_back(std::move(row));
  }

  void fill_row(const JsonReader& reader, NcclRow& row) {
    row.bytes = reader.require<std::int64_t>("size");
    row.type = reader.require<std::string>("type");
    row.redop = reader.optional("redop", std::string{});
    if (reader.has("count")) row.count = reader.require<double>("count");
    if (const int iterations = reader.optional("actual_iterations", 0); iterations > 0)
      row.iterations = iterations;
    for (const std::string side : {"out_of_place", "in_place"}) {
      const bool has = reader.json().contains(side);
      if (has && reader.json().at(side).is_null())  // as a replay of a trace says it
        row.timings.push_back(absent_timing());
      else if (has)
        row.timings.push_back(timing_of(reader, side, row.bytes));
      else if (side == "out_of_place")
        row.timings.push_back({{}, {}, {}, "", "there is no out-of-place measurement", {}});
    }
  }

  NcclTiming timing_of(const JsonReader& row, const std::string& side, std::int64_t bytes) {
    const auto reader = row.object(side);
    NcclTiming timing;
    if (!reader.has("time") && reader.has("cpu_time")) {
      timing.problem = "the time is of the CPU (option -C), not of the collective";
      return timing;
    }
    const auto time = number(reader, "time", timing), algbw = number(reader, "alg_bw", timing),
               busbw = number(reader, "bus_bw", timing);
    if (!timing.problem.empty()) return timing;
    timing.microseconds = *time;
    timing.algbw = *algbw;
    timing.busbw = *busbw;
    timing.wrong = wrong_of(reader.json());
    if (!rate_agrees(bytes, timing)) timing.problem = "alg_bw is not size / time";
    take_iterations(row, side + "_per_iter", timing);
    return timing;
  }

  /// A number of a timing; its problem says why it is none ("nan", inf, a text).
  static std::optional<PrintedNumber> number(const JsonReader& reader, const std::string& field,
                                             NcclTiming& timing) {
    if (!reader.has(field)) reader.fail(field, "is missing");
    const auto& json = reader.json().at(field);
    const auto text = json.is_string() ? json.get<std::string>() : json.dump();
    const auto number = printed_number(text);
    if (!number && timing.problem.empty()) timing.problem = field + " is '" + text + "'";
    return number;
  }

  /// The number of wrong results as the text form has it; empty where they were not checked.
  static std::string wrong_of(const Json& timing) {
    const auto found = timing.find("nwrong");
    if (found == timing.end() || found->is_null()) return "";
    if (found->is_number()) return std::to_string(std::llround(found->get<double>()));
    return found->is_string() ? found->get<std::string>() : found->dump();
  }

  static void take_iterations(const JsonReader& row, const std::string& field, NcclTiming& timing) {
    if (!row.has(field)) return;
    const auto reader = row.object(field);
    const auto times = reader.optional("times_us", std::vector<double>{});
    timing.skipped = reader.optional("skipped_iterations", 0);
    if (timing.skipped < 0 || timing.skipped > static_cast<int>(times.size()))
      reader.fail("skipped_iterations", "is not between 0 and the number of times_us");
    timing.samples_us.assign(times.begin() + timing.skipped, times.end());
    for (const double us : timing.samples_us)
      if (!(us > 0)) timing.problem = field + ".times_us holds a time that is not above 0";
    if (timing.problem.empty() && !timing.samples_us.empty())
      timing.problem = why_other_mean(reader, field, timing);
  }

  /// Single times stand for the mean only where they have it: the one printed with them, or else
  /// the row's, which is of the skipped iterations too.
  static std::string why_other_mean(const JsonReader& reader, const std::string& field,
                                    const NcclTiming& timing) {
    constexpr double kSlack = 0.01;
    const auto& samples = timing.samples_us;
    const double mean =
        std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
    const bool printed = reader.has("avg_us");
    if (!printed && timing.skipped > 0) return "";
    const double expected = printed ? reader.require<double>("avg_us") : timing.microseconds.value;
    if (std::abs(mean - expected) <= kSlack * std::abs(expected)) return "";
    return "the mean of " + field + ".times_us is " + std::to_string(mean) + ", but " +
           (printed ? "avg_us" : "time") + " is " + std::to_string(expected);
  }

  void take_end() {
    if (!json_.has("end_time")) note("the file has no end_time: the run died");
    if (const auto errors = json_.json().find("errors");
        errors != json_.json().end() && !errors->empty())
      note("the run reports errors: " + errors->dump());
  }

  void note(const std::string& sentence) { result_.notes.push_back(sentence); }

  JsonReader json_;
  std::string path_;
  NcclJson result_;
};

}  // namespace

NcclJson read_nccl_tests_json(const std::string& text, const std::string& path) {
  const auto whole = ended(text);
  if (!whole) {
    const auto json = parse_foreign_json(text, {path, 0});
    return Reader{json, path}.read();
  }
  const auto json = parse_foreign_json(whole->text, {path, 0});
  auto result = Reader{json, path}.read();
  if (whole->cut.find("\"size\"") != std::string::npos) result.lost_line = line_at_end(text);
  return result;
}

}  // namespace moecal::interchange
