// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/collective_bench.hpp"
#include "collectives/nccl_groups.hpp"
#include "runtime/buffer.hpp"
#include "runtime/check.hpp"

namespace moecal::collectives {
namespace {

class NcclTrial final : public bench::Trial {
 public:
  NcclTrial(const NcclTask& task, NcclCommunicator communicator, const Membership& where)
      : task_{task},
        communicator_{communicator},
        where_{where},
        what_{task.operation.name + " of " + std::to_string(task.shape.bytes) + " bytes"} {}

  void launch(int set, Stream stream) override {
    const auto& buffers = sets_[static_cast<std::size_t>(set)];
    task_.run(task_.shape, {buffers.send.data(), buffers.receive.data()}, communicator_, stream);
  }
  void check_progress(Seconds waited) override {
    check_async_error(communicator_, what_);
    check_waited(communicator_, what_, waited);
  }
  [[nodiscard]] Bytes footprint() const override {
    return Bytes{where_.takes_part ? 2.0 * static_cast<double>(task_.shape.bytes) : 0.0};
  }
  void prepare(int sets) override {
    if (!where_.takes_part) return;
    std::vector<std::byte> send(static_cast<std::size_t>(task_.shape.bytes));
    task_.operation.fill(task_.shape, where_.rank_in_group, send);
    for (int set = 0; set < sets; ++set)
      sets_.push_back({to_device(std::span<const std::byte>{send}), DeviceBuffer{send.size()}});
  }
  /// Copies what was received to the host and checks it there. Waits for the device.
  [[nodiscard]] VerificationResult verify() override {
    if (!where_.takes_part) return {0.0, 0.0, "pattern"};
    check(cudaDeviceSynchronize(), "waiting for " + what_);
    check_async_error(communicator_, what_);
    std::vector<std::byte> received(static_cast<std::size_t>(task_.shape.bytes));
    copy_bytes(received.data(), sets_[0].receive.data(), received.size());
    return {task_.operation.error(task_.shape, where_.rank_in_group, received), 0.0, "pattern"};
  }
  [[nodiscard]] LibraryInfo library() const override {
    return {"NCCL", nccl_library_version(), "unknown", 0};
  }
  [[nodiscard]] bool takes_part() const override { return where_.takes_part; }

 private:
  struct Buffers {
    DeviceBuffer send;
    DeviceBuffer receive;
  };
  NcclTask task_;
  NcclCommunicator communicator_;
  Membership where_;
  std::string what_;
  std::vector<Buffers> sets_;
};

}  // namespace

std::shared_ptr<NcclGroups> make_nccl_groups() { return std::make_shared<NcclGroups>(); }

std::unique_ptr<bench::Trial> make_nccl_trial(const NcclTask& task, NcclGroups& groups,
                                              bench::Context& context) {
  if (context.device < 0) throw Unsupported{"NCCL needs a CUDA device on every rank"};
  return std::make_unique<NcclTrial>(task, groups.of(task.spec, context.world),
                                     membership(task.spec, context.world.rank()));
}

}  // namespace moecal::collectives
