// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "collectives/group_link_bench.hpp"
#include "collectives/nccl_groups.hpp"
#include "collectives/nccl_log.hpp"
#include "runtime/buffer.hpp"
#include "runtime/check.hpp"
#include "runtime/cuda_graph.hpp"
#include "runtime/device_info.hpp"

namespace moecal::collectives {
namespace {

class NcclTrial final : public bench::Trial {
 public:
  NcclTrial(const NcclTask& task, const GroupLink& link)
      : task_{task},
        link_{link},
        sizes_{task.operation.buffers(task.shape)},
        layout_{layout_of(sizes_, link_.where.rank_in_group, task.implementation.in_place)},
        what_{task.operation.name + " of " + std::to_string(task.shape.bytes) + " bytes"} {}

  void launch(int set, Stream stream) override {
    const auto at = static_cast<std::size_t>(set);
    if (!task_.implementation.graph) return call(at, stream);
    if (graphs_[at]) return graphs_[at]->launch(stream);
    // NCCL connects at the first call, which is no part of what a graph repeats.
    call(at, stream);
    graphs_[at] = CudaGraph::capture([&](Stream captured) { call(at, captured); });
  }
  void check_progress(Seconds waited) override { link_.check_progress(what_, waited); }
  [[nodiscard]] Bytes footprint() const override {
    return Bytes{takes_part() ? static_cast<double>(layout_.first + layout_.second) : 0.0};
  }
  void prepare(int sets) override {
    if (!takes_part()) return;
    const auto memory = filled();
    const auto make = [this](std::int64_t bytes) {
      return NcclMemory{task_.implementation.buffers, static_cast<std::size_t>(bytes), link_.nccl};
    };
    for (int set = 0; set < sets; ++set) {
      sets_.push_back({make(layout_.first), make(layout_.second)});
      copy_bytes(sets_.back().first.data(), memory.data(), memory.size());
    }
    graphs_.resize(sets_.size());
  }
  /// Copies what was received by one more call, from fresh buffers, to the host and checks it
  /// there: what an earlier call left would pass for what it should have brought. Waits for the
  /// device.
  [[nodiscard]] VerificationResult verify() override {
    if (!takes_part()) return {0.0, 0.0, "pattern"};
    launch_anew();
    std::vector<std::byte> received(static_cast<std::size_t>(sizes_.receive));
    copy_bytes(received.data(), sets_[0].tensors(layout_).receive, received.size());
    return {task_.operation.error(task_.shape, link_.where.rank_in_group, received), 0.0,
            "pattern"};
  }
  [[nodiscard]] std::string filled_with() const override { return "pattern of rank and index"; }
  [[nodiscard]] ExchangedBytes exchanged() const override {
    return task_.exchange ? exchanged_bytes(*task_.exchange) : ExchangedBytes{};
  }
  [[nodiscard]] LibraryInfo library() const override {
    const LoggedCall call{task_.implementation.logged, std::min(sizes_.send, sizes_.receive)};
    return {"NCCL", nccl_library_version(), log_.algorithm_of(call), 0};
  }
  [[nodiscard]] bool takes_part() const override { return link_.where.takes_part; }
  [[nodiscard]] int group() const override { return link_.where.index; }

 private:
  void call(std::size_t set, Stream stream) {
    task_.implementation.run(task_.shape, sets_[set].tensors(layout_), link_.nccl, stream);
  }
  /// What the first buffer holds before a call.
  [[nodiscard]] std::vector<std::byte> filled() const {
    std::vector<std::byte> memory(static_cast<std::size_t>(layout_.first));
    task_.operation.fill(task_.shape, link_.where.rank_in_group,
                         std::span{memory}.subspan(layout_.send_at, sizes_.send));
    return memory;
  }
  /// Buffers are not taken back from a communicator that was given up.
  void launch_anew() {
    try {
      link_.call_once(what_, [this](Stream stream) {
        freshen(sets_[0]);
        launch(0, stream);
      });
    } catch (const RankLost&) {
      for (auto& set : sets_) {
        set.first.forget_communicator();
        set.second.forget_communicator();
      }
      throw;
    }
  }
  void freshen(RankBuffers<NcclMemory>& buffers) const {
    auto memory = filled();
    copy_bytes(buffers.first.data(), memory.data(), memory.size());
    // The same host memory again: a point may be as large as the host can hold.
    if (memory.empty()) return;
    std::ranges::fill(memory, kStale);
    const auto length = static_cast<std::size_t>(layout_.second);
    for (std::size_t at = 0; at < length; at += memory.size())
      copy_bytes(buffers.second.data() + at, memory.data(), std::min(memory.size(), length - at));
  }

  NcclTask task_;
  GroupLink link_;
  CollectiveBuffers sizes_;
  RankLayout layout_;
  std::string what_;
  std::vector<RankBuffers<NcclMemory>> sets_;
  std::vector<std::optional<CudaGraph>> graphs_;  // of each set, once it was called
  NcclLogTail log_;
};

constexpr int kFp8Release = 22'400;  // NCCL_VERSION_CODE of the release with FP8 types

/// Bytes that travel as they are need no type of their own; sums do.
Dtype payload_of(const CollectiveOperation& operation, Dtype dtype) {
  const bool fp8 = dtype == Dtype::fp8_e4m3 || dtype == Dtype::fp8_e5m2;
  if (!fp8 || nccl_version_code() >= kFp8Release) return dtype;
  if (operation.adds)
    throw Unsupported{"NCCL " + nccl_library_version() + " has no FP8 type (2.24 has): it cannot " +
                      "add them"};
  return Dtype::uint8;
}

/// NCCL itself would refuse it with no more than "invalid argument".
void check_fp8_sums(const CollectiveOperation& operation, Dtype dtype, int device) {
  if (!operation.adds || (dtype != Dtype::fp8_e4m3 && dtype != Dtype::fp8_e5m2)) return;
  const int major = find_cuda_devices().devices.at(static_cast<std::size_t>(device)).compute_major;
  if (major < 9)
    throw Unsupported{"NCCL adds FP8 on devices of compute capability 9.0 and up; this one has " +
                      std::to_string(major) + ".x"};
}

}  // namespace

std::shared_ptr<NcclGroups> make_nccl_groups() { return std::make_shared<NcclGroups>(); }

std::unique_ptr<bench::Trial> make_nccl_trial(const NcclTask& task, NcclGroups& groups,
                                              bench::Context& context) {
  check_device(context);
  if (task.implementation.check != nullptr) task.implementation.check(task.shape);
  check_nccl_buffers(task.implementation.buffers);
  check_fp8_sums(task.operation, task.shape.dtype, context.device);
  NcclTask payload = task;
  payload.shape.dtype = payload_of(task.operation, task.shape.dtype);
  return std::make_unique<NcclTrial>(payload, connect_nccl(groups, task.spec, context));
}

}  // namespace moecal::collectives
