// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_groups.hpp"

#include <span>

#include "runtime/check_nccl.hpp"

namespace moecal::collectives {
namespace {

NcclCommunicator make_world(ControlPlane& world) {
  ncclUniqueId id{};
  if (world.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
  world.broadcast(std::span<char>{id.internal, sizeof id.internal}, 0);
  NcclCommunicator communicator = nullptr;
  check(ncclCommInitRank(&communicator, world.size(), id, world.rank()),
        "ncclCommInitRank of rank " + std::to_string(world.rank()) + " of " +
            std::to_string(world.size()));
  return communicator;
}

}  // namespace

NcclGroups::~NcclGroups() {
  for (const Known& known : known_)
    check_in_destructor(ncclCommDestroy(known.communicator), "ncclCommDestroy");
  if (world_ != nullptr) check_in_destructor(ncclCommDestroy(world_), "ncclCommDestroy");
}

NcclCommunicator NcclGroups::of(const GroupSpec& spec, ControlPlane& world) {
  GroupSpec all = spec;
  all.all_at_once = true;  // alone or together, the groups are the same
  for (const Known& known : known_)
    if (known.spec == all) return known.communicator;
  if (world_ == nullptr) world_ = make_world(world);
  const Membership where = membership(all, world.rank());
  NcclCommunicator part = nullptr;
  check(ncclCommSplit(world_, where.index, where.rank_in_group, &part, nullptr),
        "ncclCommSplit into groups of " + std::to_string(all.group));
  known_.push_back({all, part});
  return part;
}

void check_async_error(NcclCommunicator communicator, const std::string& operation) {
  ncclResult_t status = ncclSuccess;
  int rank = -1;
  check(ncclCommUserRank(communicator, &rank), "ncclCommUserRank");
  const std::string where = operation + " on rank " + std::to_string(rank) + " of its group";
  check(ncclCommGetAsyncError(communicator, &status), "ncclCommGetAsyncError after " + where);
  // In progress is how a non-blocking communicator says that nothing has failed so far.
  if (status != ncclInProgress) check(status, where);
}

std::string nccl_library_version() {
  int version = 0;
  check(ncclGetVersion(&version), "ncclGetVersion");
  return std::to_string(version / 10'000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

}  // namespace moecal::collectives
