// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <span>
#include <thread>

#include "bench/benchmark.hpp"
#include "core/build.hpp"
#include "core/hash.hpp"
#include "core/parallel.hpp"
#include "kernels/host_adam/host_adam.hpp"

namespace moecal::bench {
namespace {

using kernels::HostAdamShape;

constexpr char kFill[] = "uniform [-1, 1]; moments zero before the first step";
constexpr std::int64_t kCheckedParameters = 4096;  // from the front: all are made alike

float uniform(std::uint64_t seed, std::int64_t index) {
  const auto bits = mix(mix(seed) + static_cast<std::uint64_t>(index)) >> 40;
  return static_cast<float>(bits) * 0x1p-23F - 1;
}

// Not zeroed when it is made: the threads that fill it touch it first.
template <class T>
struct Untouched {
  explicit Untouched(std::size_t count) : values{std::make_unique_for_overwrite<T[]>(count)} {}
  std::unique_ptr<T[]> values;
};

struct States {
  explicit States(std::int64_t count)
      : size{static_cast<std::size_t>(count)},
        gradient{size},
        parameter{size},
        mean{size},
        variance{size},
        rounded{size} {
    constexpr std::size_t kPart = 1 << 16;
    for_each_index((size + kPart - 1) / kPart, 0, [&](std::size_t part) {
      for (std::size_t i = part * kPart; i < std::min(size, (part + 1) * kPart); ++i) {
        gradient.values[i] = uniform(1, static_cast<std::int64_t>(i));
        parameter.values[i] = uniform(2, static_cast<std::int64_t>(i));
        mean.values[i] = variance.values[i] = 0;
        rounded.values[i] = {};
      }
    });
  }
  [[nodiscard]] kernels::HostAdamTensors tensors() {
    return {gradient.values.get(), parameter.values.get(), mean.values.get(), variance.values.get(),
            rounded.values.get()};
  }
  /// Whether the first `count` parameters have come to the same.
  [[nodiscard]] bool agrees(const States& other, std::int64_t count) const {
    return std::equal(parameter.values.get(), parameter.values.get() + count,
                      other.parameter.values.get()) &&
           std::equal(variance.values.get(), variance.values.get() + count,
                      other.variance.values.get());
  }
  std::size_t size;
  Untouched<float> gradient, parameter, mean, variance;
  Untouched<BFloat16> rounded;
  int steps = 0;
};

class HostAdamTrial final : public Trial {
 public:
  explicit HostAdamTrial(const HostAdamShape& shape) : shape_{shape} {
    if (shape.parameters < 1) throw Unsupported{"there is no parameter to update"};
  }
  void launch(int set, Stream) override {
    auto& states = sets_[static_cast<std::size_t>(set)];
    kernels::host_adam_threads(shape_, states.tensors(), {.number = ++states.steps}, 0);
  }
  [[nodiscard]] Bytes footprint() const override { return host_adam_bytes(); }
  void prepare(int sets) override {
    for (int set = 0; set < sets; ++set) sets_.emplace_back(shape_.parameters);
  }
  /// The parameters in 16 bits, which a step does not read.
  [[nodiscard]] std::span<std::byte> written(int set) override {
    const auto& states = sets_[static_cast<std::size_t>(set)];
    return std::as_writable_bytes(std::span{states.rounded.values.get(), states.size});
  }
  /// Takes the front of set 0 through as many steps again, on one thread: the bits must be equal.
  [[nodiscard]] VerificationResult verify() override {
    const auto& states = sets_.front();
    const auto count = std::min(shape_.parameters, kCheckedParameters);
    States again{count};
    for (int number = 1; number <= states.steps; ++number)
      host_adam_cpu({count}, again.tensors(), {.number = number});
    return {again.agrees(states, count) ? 0.0 : 1.0, 0.0, "sampled"};
  }
  [[nodiscard]] LibraryInfo library() const override {
    const auto threads = std::max(1U, std::thread::hardware_concurrency());
    return {"moecal", build::version, std::to_string(threads) + " threads", 0};
  }
  [[nodiscard]] std::string filled_with() const override { return kFill; }

 private:
  [[nodiscard]] Bytes host_adam_bytes() const {
    return Bytes{static_cast<double>(shape_.parameters) * (4 * sizeof(float) + sizeof(BFloat16))};
  }

  HostAdamShape shape_;
  std::vector<States> sets_;
};

class HostAdam final : public Benchmark {
 public:
  [[nodiscard]] std::string operation() const override { return "host_adam"; }
  [[nodiscard]] PointTimes point_times() const override {
    return {Seconds{0.02}, Seconds{0.12}, Seconds{0.55}};
  }
  [[nodiscard]] std::vector<Case> sweep(Suite suite, const std::string&, int) const override {
    std::vector<std::int64_t> counts{100'000, 1'000'000, 10'000'000};
    if (suite != Suite::quick) counts.push_back(100'000'000);
    // The last are the planning documents' parameters of one rank: 105 GB, in seconds a step.
    if (suite == Suite::full)
      counts.insert(counts.end(), {30'000'000, 1'000'000'000, 5'837'849'088});
    std::vector<Case> cases;
    for (const auto count : counts) {
      Case c;
      c.point = {{"parameters", count}};
      c.dtypes.a = "f32";
      c.dtypes.c = "bf16";
      cases.push_back(c);
    }
    return cases;
  }
  [[nodiscard]] Work work(const Case& c) const override {
    return kernels::host_adam_work({c.point.at("parameters")});
  }
  [[nodiscard]] std::vector<Implementation> implementations() const override {
    return {{.name = "threads", .backend = "cpu", .of_host = true}};
  }
  [[nodiscard]] std::unique_ptr<Trial> make_trial(const Implementation&, const Case& c,
                                                  Context&) const override {
    return std::make_unique<HostAdamTrial>(HostAdamShape{c.point.at("parameters")});
  }
};

}  // namespace

std::unique_ptr<Benchmark> make_host_adam() { return std::make_unique<HostAdam>(); }

}  // namespace moecal::bench
