// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/group_link_bench.hpp"

#include "bench/clock.hpp"
#include "collectives/nccl_groups.hpp"
#include "core/build.hpp"
#include "core/error.hpp"

namespace moecal::collectives {

void GroupLink::check_progress(const std::string& operation, Seconds waited) const {
  if constexpr (build::has_nccl)
    if (mpi == nullptr && nccl.handle != nullptr) groups->check_progress(nccl, operation, waited);
}

LibraryInfo GroupLink::library() const {
  if constexpr (build::has_nccl)
    if (mpi == nullptr) return {"NCCL", nccl_library_version(), "unknown", 0};
  return mpi_library();
}

void GroupLink::call_once(const std::string& operation,
                          const std::function<void(Stream)>& launch) const {
  if (mpi != nullptr) return launch(nullptr);
  if constexpr (build::has_nccl) {
    try {
      const auto clock = bench::make_cuda_event_clock();
      clock->watch([&](Seconds waited) { check_progress(operation, waited); });
      static_cast<void>(clock->time([&] { launch(clock->stream()); }));
    } catch (const Error& error) {
      groups->give_up();
      throw RankLost{error.what()};
    }
  }
}

void check_device(const bench::Context& context) {
  if (context.device < 0) throw Unsupported{"NCCL needs a CUDA device on every rank"};
}

GroupLink connect_nccl(NcclGroups& groups, const GroupSpec& spec, bench::Context& context) {
  check_device(context);
  GroupLink link;
  link.groups = &groups;
  link.device = context.device;
  link.where = membership(spec, context.world.rank());
  if constexpr (build::has_nccl) link.nccl = groups.of(spec, context.world);
  return link;
}

GroupLink connect(LaunchGroups& groups, const bench::Implementation& implementation,
                  const Ranks& ranks, bench::Context& context) {
  const GroupSpec spec = groups.checked_spec(ranks, context.world);
  if (implementation.backend != "mpi") return connect_nccl(groups.nccl(), spec, context);
  GroupLink link;
  link.mpi = &groups.mpi(spec, context.world);
  link.where = membership(spec, context.world.rank());
  return link;
}

}  // namespace moecal::collectives
