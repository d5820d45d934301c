// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <deque>
#include <utility>

#include "layers/overlap/overlap.hpp"
#include "runtime/cuda_stream.hpp"
#include "runtime/event.hpp"

namespace moecal::layers {
namespace {

/// Times stretches of a stream: two events for each, made when there are none left to use again.
class Stretches {
 public:
  void begin(Stream stream) {
    if (used_ == pairs_.size()) pairs_.emplace_back();
    pairs_[used_].first.record(stream);
  }
  void end(Stream stream) { pairs_[used_++].second.record(stream); }
  /// Of all since this was asked last.
  [[nodiscard]] Seconds total() {
    Seconds sum{0};
    for (std::size_t i = 0; i < used_; ++i) sum += elapsed(pairs_[i].first, pairs_[i].second);
    used_ = 0;
    return sum;
  }

 private:
  std::deque<std::pair<CudaEvent, CudaEvent>> pairs_;
  std::size_t used_ = 0;
};

class DeviceOverlap final : public Overlap {
 public:
  explicit DeviceOverlap(OverlapWork work) : work_{std::move(work)} {}

  void launch_compute(Stream stream) override {
    fork(stream);
    work_.compute(own_.get());
    join(stream);
  }
  void launch_communicate(Stream stream) override { work_.communicate(stream); }
  void launch_both(Stream stream) override {
    fork(stream);
    work_.compute(own_.get());
    work_.communicate(stream);
    join(stream);
  }
  void launch_both_timed(Stream stream) override {
    fork(stream);
    computed_.begin(own_.get());
    work_.compute(own_.get());
    computed_.end(own_.get());
    communicated_.begin(stream);
    work_.communicate(stream);
    communicated_.end(stream);
    join(stream);
  }
  [[nodiscard]] OverlapTimes take_times() override {
    return {computed_.total(), communicated_.total()};
  }

 private:
  void fork(Stream stream) {
    forked_.record(stream);
    forked_.make_wait(own_.get());
  }
  void join(Stream stream) {
    joined_.record(own_.get());
    joined_.make_wait(stream);
  }

  OverlapWork work_;
  CudaStream own_;
  CudaEvent forked_;
  CudaEvent joined_;
  Stretches computed_;
  Stretches communicated_;
};

}  // namespace

std::unique_ptr<Overlap> make_overlap_cuda(OverlapWork work) {
  return std::make_unique<DeviceOverlap>(std::move(work));
}

}  // namespace moecal::layers
