// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_groups.hpp"

#include <functional>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "collectives/nccl_call.hpp"
#include "core/error.hpp"
#include "runtime/every_rank.hpp"
#include "runtime/tcp_plane.hpp"

namespace moecal::collectives {
namespace {

ncclUniqueId share_identity(ControlPlane& world) {
  ncclUniqueId id{};
  on_every_rank(world, [&] {
    if (world.rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId on rank 0");
  });
  world.broadcast(std::span<char>{id.internal, sizeof id.internal}, 0);
  return id;
}

/// `make` fills the handle; it is released again unless all ranks have theirs.
void make_on_every_rank(NcclCommunicator& made, ControlPlane& world,
                        const std::function<void()>& make) {
  try {
    on_every_rank(world, make);
  } catch (...) {
    release(made);
    throw;
  }
}

/// Libraries of different releases may join, and then measure what neither of them is.
void check_releases(ControlPlane& world) {
  const double own = nccl_version_code();
  const double newest = world.max(own), oldest = world.min(own);
  if (newest == oldest) return;
  const int rank = static_cast<int>(world.min(own == oldest ? world.rank() : world.size()));
  throw InvalidInput{"rank " + std::to_string(rank) + " loaded NCCL " +
                     std::to_string(static_cast<int>(oldest)) + ", others " +
                     std::to_string(static_cast<int>(newest)) +
                     " (its version code): start all ranks with one library"};
}

NcclCommunicator make_world(ControlPlane& world) {
  check_releases(world);
  const ncclUniqueId id = share_identity(world);
  NcclCommunicator made{nullptr, world.rank(), world.size()};
  make_on_every_rank(made, world, [&] {
    const ncclResult_t status = ncclCommInitRank(&made.handle, made.size, id, made.rank);
    finish_call(status, {.function = "ncclCommInitRank", .communicator = made});
  });
  return made;
}

NcclCommunicator split(const NcclCommunicator& whole, const GroupSpec& spec, ControlPlane& world) {
  const Membership where = membership(spec, world.rank());
  NcclCommunicator part{nullptr, where.rank_in_group, spec.group};
  const std::string what = "ncclCommSplit into groups of " + std::to_string(spec.group);
  make_on_every_rank(part, world, [&] {
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

/// The communicators, which two threads may want to end.
class NcclGroups::Made {
 public:
  [[nodiscard]] NcclCommunicator find(const GroupSpec& spec) const {
    const std::lock_guard lock{mutex_};
    for (const auto& [known, communicator] : groups_)
      if (known == spec) return communicator;
    return {};
  }
  [[nodiscard]] NcclCommunicator world() const { return find(kWorld); }
  void keep_world(NcclCommunicator communicator) { keep(kWorld, communicator); }
  void keep(const GroupSpec& spec, NcclCommunicator communicator) {
    const std::lock_guard lock{mutex_};
    groups_.emplace_back(spec, communicator);
  }

  /// Nobody ends a communicator while it is asked.
  void ask(NcclCommunicator communicator, const std::string& operation) const {
    const std::lock_guard lock{mutex_};
    for (const auto& known : groups_)
      if (known.second.handle == communicator.handle)
        return check_async_error(communicator, operation);
    throw Error{operation + ": its communicator was aborted because the launch ends"};
  }

  /// `end` is abort or release: groups first, then what they were split from.
  void end_all(void (*end)(NcclCommunicator&) noexcept) noexcept {
    Groups last;
    {
      const std::lock_guard lock{mutex_};
      last.swap(groups_);
    }
    for (auto group = last.rbegin(); group != last.rend(); ++group) end(group->second);
  }

 private:
  using Groups = std::vector<std::pair<GroupSpec, NcclCommunicator>>;
  static constexpr GroupSpec kWorld{0, 0};  // what no launch is cut into
  mutable std::mutex mutex_;
  Groups groups_;
};

NcclGroups::NcclGroups() : made_{std::make_shared<Made>()} {}
NcclGroups::~NcclGroups() { made_->end_all(release); }

NcclCommunicator NcclGroups::of(const GroupSpec& spec, ControlPlane& world) {
  GroupSpec all = spec;
  all.all_at_once = true;  // alone or together, the groups are the same
  if (const auto known = made_->find(all); known.handle != nullptr) return known;
  if (made_->world().handle == nullptr) {
    made_->keep_world(make_world(world));
    world.at_early_end([made = std::weak_ptr{made_}] {
      if (const auto living = made.lock()) living->end_all(abort);
    });
  }
  made_->keep(all, split(made_->world(), all, world));
  return made_->find(all);
}

void NcclGroups::check_progress(NcclCommunicator communicator, const std::string& operation,
                                Seconds waited) {
  made_->ask(communicator, operation);
  try {
    check_waited(communicator, operation, waited);
  } catch (const Error&) {
    made_->end_all(abort);
    throw;
  }
}

void NcclGroups::give_up() noexcept { made_->end_all(abort); }

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
