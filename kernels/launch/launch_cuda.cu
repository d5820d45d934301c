// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels/launch/launch.hpp"
#include "runtime/buffer.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"
#include "runtime/launch.cuh"

namespace moecal::kernels {
namespace {

constexpr int kEventPairs = 1000;

// Counts itself: a launch that did not run would show. One thread, one addition.
__global__ void count_launch(unsigned long long* count) { *count += 1; }

class Counter {
 public:
  Counter() : memory_{sizeof(unsigned long long)} {
    check(cudaMemset(memory_.data(), 0, memory_.size()), "clearing a counter");
    // It may return before it is done, and streams that do not block would not wait for it.
    check(cudaStreamSynchronize(cudaStreamLegacy), "waiting for the counter");
  }
  void launch_once(Stream stream) {
    launch({.what = "an empty kernel", .grid = dim3{1}, .block = dim3{1}, .stream = stream},
           count_launch, memory_.as<unsigned long long>());
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
    for (std::int64_t i = 0; i < shape_.launches; ++i) {
      counter_.launch_once(stream);
      if (synchronous_) check(cudaStreamSynchronize(stream), "waiting for an empty kernel");
    }
  }
  [[nodiscard]] std::int64_t ran() override { return counter_.value(); }

 private:
  LaunchShape shape_;
  bool synchronous_;
  Counter counter_;
};

class Events final : public EmptyLaunches {
 public:
  explicit Events(const LaunchShape& shape) : events_(static_cast<std::size_t>(shape.launches)) {}
  void run(Stream stream) override {
    for (auto& event : events_) event.record(stream);
    recorded_ += static_cast<std::int64_t>(events_.size());
  }
  [[nodiscard]] std::int64_t ran() override {
    for (const auto& event : events_) event.synchronize();
    return recorded_;
  }

 private:
  std::vector<CudaEvent> events_;
  std::int64_t recorded_ = 0;
};

class Graph final : public EmptyLaunches {
 public:
  explicit Graph(const LaunchShape& shape) {
    const CudaStream stream;
    counter_.launch_once(stream.get());  // loads the kernel: that cannot be captured
    stream.synchronize();
    check(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
          "beginning to capture a graph");
    for (std::int64_t i = 0; i < shape.launches; ++i) counter_.launch_once(stream.get());
    check(cudaStreamEndCapture(stream.get(), &graph_), "capturing a graph of empty kernels");
    check(cudaGraphInstantiate(&executable_, graph_, 0), "instantiating a graph of empty kernels");
  }
  ~Graph() override {
    if (executable_ != nullptr)
      check_in_destructor(cudaGraphExecDestroy(executable_), "destroying a graph");
    if (graph_ != nullptr) check_in_destructor(cudaGraphDestroy(graph_), "destroying a graph");
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void run(Stream stream) override {
    check(cudaGraphLaunch(executable_, stream), "launching a graph of empty kernels");
  }
  [[nodiscard]] std::int64_t ran() override { return counter_.value() - 1; }

 private:
  Counter counter_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
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
  Seconds least{std::numeric_limits<double>::infinity()};
  for (int pair = 0; pair < kEventPairs; ++pair) {
    CudaEvent start, stop;
    start.record(stream.get());
    stop.record(stream.get());
    stop.synchronize();
    if (const Seconds between = elapsed(start, stop); between > Seconds{0})
      least = std::min(least, between);
  }
  return least;
}

}  // namespace moecal::kernels
