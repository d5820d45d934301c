// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "tests/recording_nccl/recording_nccl.hpp"

namespace moecal::tests {
namespace {

std::unique_ptr<FakeNccl>& instance() {
  static auto library = std::make_unique<FakeNccl>();
  return library;
}

}  // namespace

std::vector<RecordedNcclCall> FakeNccl::calls(int rank) const {
  const std::lock_guard lock{mutex_};
  const auto found = calls_.find(rank);
  return found == calls_.end() ? std::vector<RecordedNcclCall>{} : found->second;
}

std::vector<RecordedNcclCall> FakeNccl::calls(int rank, const std::string& function) const {
  std::vector<RecordedNcclCall> found;
  for (const auto& call : calls(rank))
    if (call.function == function) found.push_back(call);
  return found;
}

void FakeNccl::record(int rank, const RecordedNcclCall& call) {
  const std::lock_guard lock{mutex_};
  calls_[rank].push_back(call);
}

int FakeNccl::questions(int rank) const {
  const std::lock_guard lock{mutex_};
  const auto found = questions_.find(rank);
  return found == questions_.end() ? 0 : found->second;
}

void FakeNccl::count_question(int rank) {
  const std::lock_guard lock{mutex_};
  ++questions_[rank];
}

int FakeNccl::live_communicators() const {
  const std::lock_guard lock{mutex_};
  return static_cast<int>(live_.size());
}

void FakeNccl::add_communicator(const void* communicator) {
  const std::lock_guard lock{mutex_};
  live_.insert(communicator);
}

bool FakeNccl::remove_communicator(const void* communicator) {
  const std::lock_guard lock{mutex_};
  if (live_.erase(communicator) == 1) return true;
  ++ended_twice_;
  return false;
}

void FakeNccl::count_registration(int change) { registrations_ += change; }

void FakeNccl::add_memory(const void* start, std::size_t bytes) {
  const std::lock_guard lock{mutex_};
  memory_[start] = bytes;
}

bool FakeNccl::remove_memory(const void* start) {
  const std::lock_guard lock{mutex_};
  return memory_.erase(start) == 1;
}

bool FakeNccl::owns(const void* start, std::size_t bytes) const {
  const std::lock_guard lock{mutex_};
  const auto found = memory_.find(start);
  return found != memory_.end() && found->second >= bytes;
}

FakeNccl& fake_nccl() { return *instance(); }
void reset_fake_nccl() { instance() = std::make_unique<FakeNccl>(); }

}  // namespace moecal::tests
