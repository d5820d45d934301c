// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/error.hpp"
#include "kernels/launch/launch.hpp"

namespace moecal::bench {
namespace {

using kernels::LaunchKind;
using kernels::LaunchShape;

constexpr std::array<std::pair<const char*, LaunchKind>, 4> kKinds{
    {{"empty_kernel", LaunchKind::empty_kernel},
     {"graph_node", LaunchKind::graph_node},
     {"event_record", LaunchKind::event_record},
     {"stream_sync", LaunchKind::stream_sync}}};

LaunchKind kind_of(const std::string& implementation) {
  for (const auto& [name, kind] : kKinds)
    if (implementation == name) return kind;
  throw Unsupported{"there is no way to launch named " + implementation};
}

// Nothing to fill, and every launch has to run.
class LaunchTrial : public Trial {
 public:
  [[nodiscard]] Bytes footprint() const override { return Bytes{1}; }
  [[nodiscard]] std::string filled_with() const override { return "nothing"; }
  [[nodiscard]] VerificationResult verify() override {
    return {count() == shape_.launches ? 0.0 : 1.0, 0.0, "count"};
  }

 protected:
  explicit LaunchTrial(const LaunchShape& shape) : shape_{shape} {
    if (shape.launches < 1) throw Unsupported{"there is nothing to launch"};
  }
  /// Of the launches of one call that is not timed, those that ran.
  [[nodiscard]] virtual std::int64_t count() = 0;
  LaunchShape shape_;
};

class ThreadTrial final : public LaunchTrial {
 public:
  explicit ThreadTrial(const LaunchShape& shape) : LaunchTrial{shape} {}
  void prepare(int) override {}
  void launch(int, Stream) override { (void)launch_cpu(shape_); }
  [[nodiscard]] LibraryInfo library() const override {
    return {"libstdc++", "", "start and join a thread", 0};
  }

 private:
  [[nodiscard]] std::int64_t count() override { return launch_cpu(shape_); }
};

class DeviceTrial final : public LaunchTrial {
 public:
  DeviceTrial(const LaunchShape& shape, LaunchKind kind) : LaunchTrial{shape}, kind_{kind} {}
  void prepare(int) override {
    if constexpr (build::has_cuda) {
      launches_ = make_empty_launches(kind_, shape_);
      if (kind_ == LaunchKind::event_record) resolution_ = kernels::event_resolution();
    }
  }
  void launch(int, Stream stream) override { launches_->run(stream); }
  [[nodiscard]] LibraryInfo library() const override {
    const bool records = kind_ == LaunchKind::event_record;
    return {"moecal", build::version, records ? "cudaEventRecord" : "one thread", 0};
  }
  /// None where no two readings differed.
  [[nodiscard]] std::map<std::string, double> figures() const override {
    if (!resolution_ || !std::isfinite(resolution_->count())) return {};
    return {{"event_resolution_s", resolution_->count()}};
  }

 private:
  [[nodiscard]] std::int64_t count() override { return launches_->count(); }
  LaunchKind kind_;
  std::optional<Seconds> resolution_;
  std::unique_ptr<kernels::EmptyLaunches> launches_;
};

class Launch final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "launch"; }
  [[nodiscard]] PointTimes point_times() const override {
    return {Seconds{0.012}, Seconds{0.012}, Seconds{0.012}};
  }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    std::vector<std::int64_t> counts{1, 8, 64};
    if (suite != Suite::quick) counts.insert(counts.end(), {2, 4, 16, 32});
    std::vector<Case> cases;
    for (const auto count : counts) {
      Case c;
      c.point = {{"launches", count}};
      c.dtypes.a = c.dtypes.c = "uint8";
      cases.push_back(c);
    }
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return kernels::launch_work({c.point.at("launches")});
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    std::vector<Implementation> found;
    if constexpr (build::has_cuda)
      for (const auto& [name, kind] : kKinds) found.push_back({name, "cuda"});
    found.push_back({"thread", "cpu"});
    return found;
  }
  // Nothing is in memory that could be cold.
  [[nodiscard]] bool has_cold_form() const override { return false; }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation& implementation,
                                                  const Case& c, Context&) const override {
    const LaunchShape shape{c.point.at("launches")};
    if (implementation.backend == "cpu") return std::make_unique<ThreadTrial>(shape);
    return std::make_unique<DeviceTrial>(shape, kind_of(implementation.name));
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_launch() { return std::make_unique<Launch>(); }

}  // namespace moecal::bench
