// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "interchange/foreign_benchmark.hpp"
#include "interchange/formats.hpp"
#include "interchange/json_rows.hpp"
#include "interchange/kernel_collector.hpp"
#include "interchange/line_format.hpp"
#include "interchange/side_car.hpp"

/// NVBench's JSON. A state is measured in up to two ways: "cold" (cache flushed before every call)
/// and "batch" (calls back to back). Each is a row here.
namespace moecal::interchange {
namespace {

constexpr double kSlack = 0.01;  // between a mean and what it is said to follow from

/// The named values of one summary, as they stand: numbers are texts.
using Values = std::map<std::string, JsonReader>;

Values values_of(const JsonReader& summary) {
  Values values;
  for (const auto& item : rows_of(summary, "data")) values.emplace(text_in(item, "name"), item);
  return values;
}

class State {
 public:
  explicit State(const JsonReader& reader) : reader_{reader} {
    for (const auto& summary : rows_of(reader, "summaries"))
      summaries_.emplace(text_in(summary, "tag"), values_of(summary));
  }
  [[nodiscard]] const JsonReader& reader() const { return reader_; }
  [[nodiscard]] bool has(const std::string& tag) const { return summaries_.contains(tag); }
  [[nodiscard]] double number(const std::string& tag) const {
    const auto found = summaries_.find(tag);
    if (found == summaries_.end()) reader_.fail("summaries", "has no '" + tag + "'");
    return number_in(value(found->second, tag, "value"), "value");
  }
  /// The sum over tags that start so: "nv/gmem/reads" has a column each.
  [[nodiscard]] double sum(const std::string& prefix) const {
    double total = 0;
    for (const auto& [tag, values] : summaries_)
      if (tag.starts_with(prefix)) total += number_in(value(values, tag, "value"), "value");
    if (!(total >= 0 && total < 1e18)) reader_.fail("summaries", "has no sound '" + prefix + "'");
    return total;
  }
  [[nodiscard]] const JsonReader& value(const std::string& tag, const std::string& name) const {
    return value(summaries_.at(tag), tag, name);
  }

 private:
  [[nodiscard]] const JsonReader& value(const Values& values, const std::string& tag,
                                        const std::string& name) const {
    const auto found = values.find(name);
    if (found == values.end()) reader_.fail("summaries", "has no " + name + " for '" + tag + "'");
    return found->second;
  }
  JsonReader reader_;
  std::map<std::string, Values> summaries_;
};

std::vector<AxisValue> axes_of(const JsonReader& state) {
  std::vector<AxisValue> axes;
  for (const auto& axis : rows_of(state, "axis_values")) {
    const auto value = axis.json().find("value");
    if (value == axis.json().end()) axis.fail("value", "is missing");
    axes.push_back(
        {text_in(axis, "name"), value->is_string() ? value->get<std::string>() : value->dump()});
  }
  return axes;
}

constexpr char kCold[] = "nv/cold/time/gpu/mean";
constexpr char kBatch[] = "nv/batch/time/gpu/mean";
constexpr char kSamples[] = "nv/json/bin:nv/cold/sample_times";

class Importer {
 public:
  Importer(const ForeignFile& file, const ImportOptions& options)
      : collector_{file, options, "nvbench"} {}

  Imported import() {
    const auto document = foreign_document(collector_.file());
    const JsonReader root{document, {collector_.file().path, line_of(document)}};
    read_devices(root);
    for (const auto& benchmark : rows_of(root, "benchmarks"))
      for (const auto& state : rows_of(benchmark, "states"))
        take_state(text_in(benchmark, "name"), state);
    return collector_.finish();
  }

 private:
  void read_devices(const JsonReader& root) {
    std::set<std::string> names;
    for (const auto& device : rows_of(root, "devices")) {
      const auto name = text_in(device, "name");
      devices_[device.require<int>("id")] = name;
      names.insert(name);
    }
    several_ = names.size() > 1;
    const auto version = root.has("meta") ? root.object("meta") : root;
    if (version.has("version") && version.object("version").has("nvbench"))
      release_ = text_in(version.object("version").object("nvbench"), "string", "unknown");
  }

  /// Of a file with several cards, --card chooses the rows of the one whose name has that word.
  [[nodiscard]] bool is_chosen(const std::string& name) const {
    const auto& card = collector_.options().card;
    return !several_ || card.empty() || slug(name).find(slug(card)) != std::string::npos;
  }

  void take_state(const std::string& benchmark, const JsonReader& state) {
    const int line = state.where().line;
    const auto named = devices_.find(state.optional<int>("device", -1));
    const auto name = named == devices_.end() ? "" : named->second;
    if (!is_chosen(name))
      return collector_.row(line, [&] { collector_.leave_out("device " + name); });
    const auto device = collector_.device(name, line);
    if (state.optional<bool>("is_skipped", false))
      return collector_.row(line, [&] { take_skipped(benchmark, state, device); });
    std::optional<State> read;
    try {
      read.emplace(state);
    } catch (const InvalidInput& error) {
      return collector_.row(line, [&] { throw InvalidInput{error}; });
    }
    const bool cold = read->has(kCold), batch = read->has(kBatch);
    if (cold || !batch) collector_.row(line, [&] { take_cold(benchmark, *read, device); });
    if (batch) collector_.row(line, [&] { take_batch(benchmark, *read, device); });
  }

  [[nodiscard]] Observation start(const std::string& benchmark, const JsonReader& state) const {
    auto o = collector_.start(state.where().line, 1);
    o.implementation = "nvbench";
    describe_benchmark(benchmark, axes_of(state), o);
    if (!collector_.options().operation.empty()) o.operation = collector_.options().operation;
    o.library.runtime_version = release_;
    return o;
  }

  void take_skipped(const std::string& benchmark, const JsonReader& state, const Device& device) {
    auto o = start(benchmark, state);
    o.samples_s.clear();
    o.outcome = Outcome::skipped;
    o.reason = text_in(state, "skip_reason", "NVBench gives no reason");
    collector_.take(std::move(o), device);
  }

  void take_cold(const std::string& benchmark, const State& state, const Device& device) {
    auto o = start(benchmark, state.reader());
    o.policy.cache = "cold";
    const double mean = state.number(kCold);
    o.samples_s = {mean};
    if (state.has("nv/cold/sample_size"))
      o.sample.iterations_per_sample = count(state, "nv/cold/sample_size");
    if (state.has("nv/cold/time/gpu/stdev/relative"))
      o.policy.stop_rule = "foreign: deviation " +
                           std::to_string(state.number("nv/cold/time/gpu/stdev/relative")) +
                           " of the mean";
    set_work(state, o);
    if (state.has(kSamples)) take_samples(state, mean, o);
    collector_.take(std::move(o), device);
  }

  void take_batch(const std::string& benchmark, const State& state, const Device& device) {
    auto o = start(benchmark, state.reader());
    o.samples_s = {state.number(kBatch)};
    if (state.has("nv/batch/sample_size"))
      o.sample.iterations_per_sample = count(state, "nv/batch/sample_size");
    set_work(state, o);
    collector_.take(std::move(o), device);
  }

  static std::int64_t count(const State& state, const std::string& tag) {
    const double value = state.number(tag);
    if (!(value >= 1 && value <= 9e15)) state.reader().fail("summaries", tag + " is not above 0");
    return static_cast<std::int64_t>(value);
  }

  /// Bytes by column where the benchmark has named them, else in all; the rate must agree.
  static void set_work(const State& state, Observation& o) {
    o.work.read = Bytes{state.sum("nv/gmem/reads/")};
    o.work.written = Bytes{state.sum("nv/gmem/writes/")};
    const std::string rate = "nv/cold/bw/global/bytes_per_second";
    if (!state.has(rate) || !state.has(kCold)) return;
    const double named = (o.work.read + o.work.written).value();
    const double moved = state.number(rate) * state.number(kCold);
    if (!(moved >= 0 && moved < 1e18)) throw InvalidInput{"the bandwidth is no rate"};
    if (named > 0 && !(std::abs(moved - named) <= kSlack * named))
      throw InvalidInput{
          "the bandwidth is not the bytes read and written over the mean time: the state is "
          "damaged"};
    if (!(named > 0)) o.work.read = Bytes{moved};
  }

  /// The samples themselves, where their file is beside this one.
  void take_samples(const State& state, double mean, Observation& o) {
    const auto path = text_in(state.value(kSamples, "filename"), "value");
    const double size = number_in(state.value(kSamples, "size"), "value");
    if (!(size >= 1 && size <= 1e9)) throw InvalidInput{"the number of samples is not above 0"};
    const auto samples =
        side_car_samples(collector_.file().path, path, static_cast<std::size_t>(size));
    if (!samples)
      return collector_.note("the samples' files are not beside the JSON file: means are used");
    double sum = 0;
    for (const double sample : *samples) sum += sample;
    if (!(std::abs(sum / size - mean) <= kSlack * mean))
      throw InvalidInput{"the samples of '" + path + "' do not have the mean that the state has"};
    o.samples_s = *samples;
    o.sample = {"raw", 1, "foreign"};
  }

  KernelCollector collector_;
  std::map<int, std::string> devices_;
  bool several_ = false;
  std::string release_ = "unknown";
};

bool recognises(const std::string& text) {
  return is_json_with(text, {"\"benchmarks\"", "\"states\"", "\"axis_values\""});
}

}  // namespace

Format nvbench_format() {
  return {"nvbench", "JSON of NVBench programs (--json, --jsonbin)", recognises,
          read_with<Importer>};
}

}  // namespace moecal::interchange
