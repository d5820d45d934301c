// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <mpi.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/recording_nccl/nccl_clique.hpp"

namespace moecal::tests {
namespace {

/// A call as it travels; what it points to follows in a message of its own.
struct TravellingCall {
  char function[32] = {};
  int rank = -1;
  std::size_t count = 0;
  std::size_t sent_bytes = 0;  // 0: it sends nothing
  ncclDataType_t type = ncclNumTypes;
  ncclRedOp_t reduction = ncclNumOps;
  int peer = -1;
  int root = -1;
  int colour = -1;
  int key = -1;
};

TravellingCall pack(const RecordedNcclCall& call, int ranks) {
  TravellingCall packed{.rank = call.rank,
                        .count = call.count,
                        .sent_bytes = sent_bytes(call, ranks),
                        .type = call.type,
                        .reduction = call.reduction,
                        .peer = call.peer,
                        .root = call.root,
                        .colour = call.colour,
                        .key = call.key};
  std::snprintf(packed.function, sizeof packed.function, "%s", call.function.c_str());
  return packed;
}

/// What every rank gives, one after the other.
struct Gathered {
  std::vector<std::byte> bytes;
  std::vector<int> sizes;  // [rank]
};

Gathered gather(const std::vector<std::byte>& own, MPI_Comm comm, int ranks) {
  Gathered all;
  all.sizes.resize(static_cast<std::size_t>(ranks));
  const int size = static_cast<int>(own.size());
  MPI_Allgather(&size, 1, MPI_INT, all.sizes.data(), 1, MPI_INT, comm);
  std::vector<int> places(all.sizes.size());
  std::exclusive_scan(all.sizes.begin(), all.sizes.end(), places.begin(), 0);
  all.bytes.resize(static_cast<std::size_t>(places.back() + all.sizes.back()));
  MPI_Allgatherv(own.data(), size, MPI_BYTE, all.bytes.data(), all.sizes.data(), places.data(),
                 MPI_BYTE, comm);
  return all;
}

/// The calls of all ranks with what each sends. Only this rank's own point into its memory; what
/// the others receive goes nowhere.
class MetCalls {
 public:
  MetCalls(const std::vector<RecordedNcclCall>& own, int rank, MPI_Comm comm, int ranks);
  [[nodiscard]] const std::vector<std::vector<RecordedNcclCall>>& batches() const {
    return batches_;
  }

 private:
  void unpack(const TravellingCall& packed, std::vector<RecordedNcclCall>& batch, int ranks);

  Gathered data_;
  std::size_t taken_ = 0;                               // bytes of data_
  std::vector<std::vector<std::byte>> nowhere_;         // what the other ranks' calls receive into
  std::vector<std::vector<RecordedNcclCall>> batches_;  // [rank]
};

MetCalls::MetCalls(const std::vector<RecordedNcclCall>& own, int rank, MPI_Comm comm, int ranks) {
  std::vector<std::byte> calls, data;
  for (const RecordedNcclCall& call : own) {
    const TravellingCall packed = pack(call, ranks);
    const auto* bytes = reinterpret_cast<const std::byte*>(&packed);
    calls.insert(calls.end(), bytes, bytes + sizeof packed);
    const auto* sent = static_cast<const std::byte*>(call.send);
    data.insert(data.end(), sent, sent + packed.sent_bytes);
  }
  const Gathered gathered = gather(calls, comm, ranks);
  data_ = gather(data, comm, ranks);
  batches_.resize(static_cast<std::size_t>(ranks));
  std::size_t at = 0;
  for (std::size_t source = 0; source < batches_.size(); ++source)
    for (int left = gathered.sizes[source]; left > 0; left -= int{sizeof(TravellingCall)}) {
      TravellingCall packed;
      std::memcpy(&packed, &gathered.bytes[at], sizeof packed);
      at += sizeof packed;
      unpack(packed, batches_[source], ranks);
    }
  batches_[static_cast<std::size_t>(rank)] = own;
}

void MetCalls::unpack(const TravellingCall& packed, std::vector<RecordedNcclCall>& batch,
                      int ranks) {
  RecordedNcclCall call{.function = packed.function,
                        .rank = packed.rank,
                        .count = packed.count,
                        .type = packed.type,
                        .reduction = packed.reduction,
                        .peer = packed.peer,
                        .root = packed.root,
                        .colour = packed.colour,
                        .key = packed.key};
  call.send = data_.bytes.data() + taken_;
  taken_ += packed.sent_bytes;
  nowhere_.emplace_back(received_bytes(call, ranks));
  call.receive = nowhere_.back().data();
  batch.push_back(call);
}

/// Every rank tells all others what it asks for and sends, and does its own part. Nobody waits with
/// a time-out: a rank that is gone leaves the others waiting, as NCCL does.
class CliqueOfProcesses final : public NcclClique {
 public:
  CliqueOfProcesses(MPI_Comm comm, int number) : comm_{comm}, number_{number} {
    MPI_Comm_size(comm_, &size_);
  }
  [[nodiscard]] int number() const override { return number_; }
  [[nodiscard]] int size() const override { return size_; }
  NcclMeeting meet(int rank, std::vector<RecordedNcclCall> batch) override;

 private:
  [[nodiscard]] NcclMeeting split(const RecordedNcclCall& own);

  MPI_Comm comm_;  // never freed: that is collective, and ranks may end theirs apart
  int number_;
  int size_ = 0;
};

int next_number() {
  static int cliques_made = 0;
  return cliques_made++;
}

NcclMeeting CliqueOfProcesses::split(const RecordedNcclCall& own) {
  MPI_Comm part = MPI_COMM_NULL;
  MPI_Comm_split(comm_, own.colour, own.key, &part);
  NcclMeeting result;
  result.made = std::make_shared<CliqueOfProcesses>(part, next_number());
  MPI_Comm_rank(part, &result.rank_in_made);
  return result;
}

NcclMeeting CliqueOfProcesses::meet(int rank, std::vector<RecordedNcclCall> batch) {
  const MetCalls met{batch, rank, comm_, size_};
  const auto& batches = met.batches();
  const auto failed = std::ranges::find_if(batches, has_failed);
  if (failed != batches.end()) return never_came(failed - batches.begin());
  if (is_split(batches)) return split(batch[0]);
  if (std::string problem = move_data(batches); !problem.empty())
    return {ncclInvalidUsage, problem};
  return {};
}

}  // namespace

// Of all ranks of the launch, whatever the identity: NcclGroups makes no other communicator.
std::shared_ptr<NcclClique> find_clique(int /*identity*/, int size) {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (ranks != size)
    throw std::runtime_error{"the fake NCCL joins all ranks of the launch or none"};
  MPI_Comm all = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &all);
  return std::make_shared<CliqueOfProcesses>(all, next_number());
}

}  // namespace moecal::tests
