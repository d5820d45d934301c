// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_groups.hpp"

#include <exception>
#include <functional>
#include <span>

#include "collectives/nccl_call.hpp"
#include "core/error.hpp"
#include "runtime/tcp_plane.hpp"

namespace moecal::collectives {
namespace {

/// Every rank goes on or none does: one that went on alone would wait for the others for ever.
void on_all_ranks(ControlPlane& world, const std::string& what, const std::function<void()>& step) {
  std::exception_ptr problem;
  try {
    step();
  } catch (const Error&) {
    problem = std::current_exception();
  }
  const bool failed = world.max(problem ? 1.0 : 0.0) > 0;
  if (problem) std::rethrow_exception(problem);
  if (failed) throw Error{what + " failed on another rank of the launch"};
}

ncclUniqueId share_identity(ControlPlane& world) {
  ncclUniqueId id{};
  on_all_ranks(world, "ncclGetUniqueId", [&] {
    if (world.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId on rank 0");
  });
  world.broadcast(std::span<char>{id.internal, sizeof id.internal}, 0);
  return id;
}

/// `make` fills the handle; it is released again unless all ranks have theirs.
void make_on_all_ranks(NcclCommunicator& made, const std::string& what, ControlPlane& world,
                       const std::function<void()>& make) {
  try {
    on_all_ranks(world, what, make);
  } catch (...) {
    release(made);
    throw;
  }
}

NcclCommunicator make_world(ControlPlane& world) {
  const ncclUniqueId id = share_identity(world);
  NcclCommunicator made{nullptr, world.rank(), world.size()};
  make_on_all_ranks(made, "ncclCommInitRank", world, [&] {
    const ncclResult_t status = ncclCommInitRank(&made.handle, made.size, id, made.rank);
    finish_call(status, {.function = "ncclCommInitRank", .communicator = made});
  });
  return made;
}

NcclCommunicator split(const NcclCommunicator& whole, const GroupSpec& spec, ControlPlane& world) {
  const Membership where = membership(spec, world.rank());
  NcclCommunicator part{nullptr, where.rank_in_group, spec.group};
  const std::string what = "ncclCommSplit into groups of " + std::to_string(spec.group);
  make_on_all_ranks(part, what, world, [&] {
    const ncclResult_t status =
        ncclCommSplit(whole.handle, where.index, part.rank, &part.handle, nullptr);
    // A non-blocking split is done when neither communicator is in progress.
    finish_call(status, {.function = what.c_str(), .communicator = whole});
    if (status == ncclInProgress)
      finish_call(status, {.function = what.c_str(), .communicator = part});
  });
  return part;
}

}  // namespace

NcclGroups::~NcclGroups() {
  for (Known& known : known_) release(known.communicator);
  release(world_);
}

NcclCommunicator NcclGroups::of(const GroupSpec& spec, ControlPlane& world) {
  GroupSpec all = spec;
  all.all_at_once = true;  // alone or together, the groups are the same
  for (const Known& known : known_)
    if (known.spec == all) return known.communicator;
  if (world_.handle == nullptr) world_ = make_world(world);
  known_.push_back({all, split(world_, all, world)});
  return known_.back().communicator;
}

void check_async_error(NcclCommunicator communicator, const std::string& operation) {
  ncclResult_t status = ncclSuccess;
  check_call(ncclCommGetAsyncError(communicator.handle, &status),
             {.function = "ncclCommGetAsyncError", .communicator = communicator});
  // In progress is how a non-blocking communicator says that nothing has failed so far.
  if (status != ncclInProgress)
    check_call(status, {.function = operation.c_str(), .communicator = communicator});
}

void check_waited(NcclCommunicator communicator, const std::string& operation, Seconds waited) {
  const auto timeout = timeout_from_environment();
  if (waited <= timeout) return;
  throw Error{operation + " on rank " + std::to_string(communicator.rank) + " of a group of " +
              std::to_string(communicator.size) + " did not end within " +
              std::to_string(timeout.count() / 1000) +
              " s ($MOECAL_TIMEOUT_S): another rank of the group may be gone or stuck"};
}

int nccl_version_code() {
  int version = 0;
  check(ncclGetVersion(&version), "ncclGetVersion");
  return version;
}

std::string nccl_library_version() {
  const int version = nccl_version_code();
  return std::to_string(version / 10'000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

}  // namespace moecal::collectives
