// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <utility>
#include <vector>

#include "kernels/launch/launch.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_graph.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

constexpr int kEventPairs = 1000;
constexpr int kMostBetween = 8;

__global__ void do_nothing() {}
__global__ void count_launch(unsigned long long* count) { *count += 1; }

LaunchConfig config(Stream stream) {
  return {.what = "an empty kernel", .grid = dim3{1}, .block = dim3{1}, .stream = stream};
}

/// The launches of count_launch, one after the other: one thread, one addition.
class Counter {
 public:
  Counter() : memory_{sizeof(unsigned long long)} {
    check(cudaMemset(memory_.data(), 0, memory_.size()), "clearing a counter");
    // It may return before it is done, and streams that do not block would not wait for it.
    check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for the counter");
  }
  void launch_once(Stream stream) {
    launch(config(stream), count_launch, memory_.as<unsigned long long>());
  }
  [[nodiscard]] std::int64_t value() const {
    check(cudaDeviceSynchronize(), "waiting for empty kernels");
    unsigned long long count = 0;
    copy_bytes(&count, memory_.data(), sizeof count);
    return static_cast<std::int64_t>(count);
  }

 private:
  DeviceBuffer memory_;
};

class Kernels final : public EmptyLaunches {
 public:
  Kernels(const LaunchShape& shape, bool synchronous) : shape_{shape}, synchronous_{synchronous} {}
  void run(Stream stream) override {
    repeat([&] { launch(config(stream), do_nothing); }, stream);
  }
  [[nodiscard]] std::int64_t count() override {
    const CudaStream stream;
    Counter counter;
    repeat([&] { counter.launch_once(stream.get()); }, stream.get());
    return counter.value();
  }

 private:
  template <class LaunchOnce>
  void repeat(LaunchOnce&& launch_once, Stream stream) const {
    for (std::int64_t i = 0; i < shape_.launches; ++i) {
      launch_once();
      if (synchronous_) check(cudaStreamSynchronize(stream), "waiting for an empty kernel");
    }
  }

  LaunchShape shape_;
  bool synchronous_;
};

class Events final : public EmptyLaunches {
 public:
  explicit Events(const LaunchShape& shape) : events_(static_cast<std::size_t>(shape.launches)) {}
  void run(Stream stream) override {
    for (auto& event : events_) event.record(stream);
  }
  [[nodiscard]] std::int64_t count() override {
    const CudaStream stream;
    run(stream.get());
    for (const auto& event : events_) event.synchronize();
    return static_cast<std::int64_t>(events_.size());
  }

 private:
  std::vector<CudaEvent> events_;
};

class Graph final : public EmptyLaunches {
 public:
  explicit Graph(const LaunchShape& shape)
      : empty_{of_nodes(shape, [](Stream stream) { launch(config(stream), do_nothing); })},
        counting_{of_nodes(shape, [this](Stream stream) { counter_.launch_once(stream); })} {}
  void run(Stream stream) override { empty_.launch(stream); }
  [[nodiscard]] std::int64_t count() override {
    const std::int64_t before = counter_.value();
    const CudaStream stream;
    counting_.launch(stream.get());
    return counter_.value() - before;
  }

 private:
  /// The first launch loads the kernel: that cannot be captured.
  template <class LaunchOnce>
  static CudaGraph of_nodes(const LaunchShape& shape, LaunchOnce&& launch_once) {
    const CudaStream stream;
    launch_once(stream.get());
    stream.synchronize();
    return CudaGraph::capture([&](Stream capturing) {
      for (std::int64_t i = 0; i < shape.launches; ++i) launch_once(capturing);
    });
  }

  Counter counter_;
  CudaGraph empty_, counting_;
};

}  // namespace

std::unique_ptr<EmptyLaunches> make_empty_launches(LaunchKind kind, const LaunchShape& shape) {
  switch (kind) {
    case LaunchKind::graph_node:
      return std::make_unique<Graph>(shape);
    case LaunchKind::event_record:
      return std::make_unique<Events>(shape);
    case LaunchKind::empty_kernel:
    case LaunchKind::stream_sync:
      break;
  }
  return std::make_unique<Kernels>(shape, kind == LaunchKind::stream_sync);
}

Seconds event_resolution() {
  const CudaStream stream;
  CudaEvent start, stop, between;
  std::vector<Seconds> readings;
  for (int pair = 0; pair < kEventPairs; ++pair) {
    start.record(stream.get());
    for (int others = pair % kMostBetween; others > 0; --others) between.record(stream.get());
    stop.record(stream.get());
    stop.synchronize();
    readings.push_back(elapsed(start, stop));
  }
  return smallest_step(std::move(readings));
}

}  // namespace moecal::kernels
