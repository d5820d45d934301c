// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include "core/element.hpp"
#include "tests/recording_nccl/nccl_clique.hpp"

namespace moecal::tests {
namespace {

using Batches = std::vector<std::vector<RecordedNcclCall>>;

Dtype dtype_of(ncclDataType_t type) {
  switch (type) {
    case ncclFloat32:
      return Dtype::f32;
    case ncclFloat16:
      return Dtype::f16;
    case ncclBfloat16:
      return Dtype::bf16;
    case ncclFloat8e4m3:
      return Dtype::fp8_e4m3;
    case ncclInt8:
      return Dtype::int8;
    case ncclUint8:
      return Dtype::uint8;
    default:
      throw std::runtime_error{"the fake NCCL does not know type " + std::to_string(type)};
  }
}

const std::byte* sent(const RecordedNcclCall& call) {
  return static_cast<const std::byte*>(call.send);
}
std::byte* received(const RecordedNcclCall& call) { return static_cast<std::byte*>(call.receive); }

void copy(std::byte* to, const std::byte* from, std::size_t bytes) {
  if (bytes > 0) std::memmove(to, from, bytes);  // in place, the two are one
}

void all_reduce(const Batches& batches) {
  const RecordedNcclCall& any = batches[0][0];
  const Dtype dtype = dtype_of(any.type);
  const std::size_t bytes = element_bytes(any.type);
  for (std::size_t i = 0; i < any.count; ++i) {
    double sum = 0;
    for (const auto& batch : batches) sum += decode_element(dtype, sent(batch[0]) + i * bytes);
    for (const auto& batch : batches) encode_element(dtype, sum, received(batch[0]) + i * bytes);
  }
}

void reduce_scatter(const Batches& batches) {
  const RecordedNcclCall& any = batches[0][0];
  const Dtype dtype = dtype_of(any.type);
  const std::size_t bytes = element_bytes(any.type);
  for (std::size_t rank = 0; rank < batches.size(); ++rank)
    for (std::size_t i = 0; i < any.count; ++i) {
      double sum = 0;
      for (const auto& batch : batches)
        sum += decode_element(dtype, sent(batch[0]) + (rank * any.count + i) * bytes);
      encode_element(dtype, sum, received(batches[rank][0]) + i * bytes);
    }
}

void all_gather(const Batches& batches) {
  const std::size_t block = batches[0][0].count * element_bytes(batches[0][0].type);
  for (const auto& target : batches)
    for (std::size_t source = 0; source < batches.size(); ++source)
      copy(received(target[0]) + source * block, sent(batches[source][0]), block);
}

void broadcast(const Batches& batches) {
  const RecordedNcclCall& root = batches[static_cast<std::size_t>(batches[0][0].root)][0];
  for (const auto& target : batches)
    copy(received(target[0]), sent(root), root.count * element_bytes(root.type));
}

void all_to_all(const Batches& batches) {
  const std::size_t block = batches[0][0].count * element_bytes(batches[0][0].type);
  for (std::size_t source = 0; source < batches.size(); ++source)
    for (std::size_t target = 0; target < batches.size(); ++target)
      copy(received(batches[target][0]) + source * block, sent(batches[source][0]) + target * block,
           block);
}

std::string differing(const Batches& batches) {
  const RecordedNcclCall& first = batches[0][0];
  for (const auto& batch : batches) {
    const RecordedNcclCall& call = batch[0];
    if (batch.size() != 1 || call.function != first.function || call.count != first.count ||
        call.type != first.type || call.reduction != first.reduction || call.root != first.root)
      return "rank " + std::to_string(call.rank) + " called " + call.function + " of " +
             std::to_string(call.count) + " elements while rank 0 called " + first.function +
             " of " + std::to_string(first.count);
  }
  const bool adds = first.function == "ncclAllReduce" || first.function == "ncclReduceScatter";
  return adds && first.reduction != ncclSum ? "the fake NCCL only sums" : std::string{};
}

std::vector<RecordedNcclCall> messages(const std::vector<RecordedNcclCall>& batch,
                                       const std::string& function, int peer) {
  std::vector<RecordedNcclCall> found;
  for (const auto& call : batch)
    if (call.function == function && call.peer == peer) found.push_back(call);
  return found;
}

// The n-th send to a rank meets that rank's n-th receive from the sender.
std::string exchange(const Batches& batches) {
  for (std::size_t source = 0; source < batches.size(); ++source)
    for (std::size_t target = 0; target < batches.size(); ++target) {
      const auto sends = messages(batches[source], "ncclSend", static_cast<int>(target));
      const auto receives = messages(batches[target], "ncclRecv", static_cast<int>(source));
      const std::string pair =
          "rank " + std::to_string(source) + " to rank " + std::to_string(target);
      if (sends.size() != receives.size())
        return pair + ": " + std::to_string(sends.size()) + " sends and " +
               std::to_string(receives.size()) + " receives";
      for (std::size_t i = 0; i < sends.size(); ++i) {
        if (sends[i].count != receives[i].count || sends[i].type != receives[i].type)
          return pair + ": what is sent is not what is received";
        copy(received(receives[i]), sent(sends[i]), sends[i].count * element_bytes(sends[i].type));
      }
    }
  return {};
}

bool are_messages(const Batches& batches) {
  for (const auto& batch : batches)
    for (const auto& call : batch)
      if (call.function != "ncclSend" && call.function != "ncclRecv") return false;
  return true;
}

}  // namespace

std::size_t element_bytes(ncclDataType_t type) {
  return static_cast<std::size_t>(size_of(dtype_of(type)));
}

std::size_t sent_bytes(const RecordedNcclCall& call, int ranks) {
  const bool sends = call.function != "ncclRecv" && (call.root < 0 || call.root == call.rank);
  if (!sends || call.type == ncclNumTypes) return 0;
  const bool a_block_each = call.function == "ncclAlltoAll" || call.function == "ncclReduceScatter";
  return call.count * element_bytes(call.type) * static_cast<std::size_t>(a_block_each ? ranks : 1);
}

std::size_t received_bytes(const RecordedNcclCall& call, int ranks) {
  if (call.function == "ncclSend" || call.type == ncclNumTypes) return 0;
  const bool a_block_each = call.function == "ncclAlltoAll" || call.function == "ncclAllGather";
  return call.count * element_bytes(call.type) * static_cast<std::size_t>(a_block_each ? ranks : 1);
}

std::string move_data(const Batches& batches) {
  if (are_messages(batches)) return exchange(batches);
  std::string problem = differing(batches);
  if (!problem.empty()) return problem;
  static const std::map<std::string, void (*)(const Batches&)> kMoves{
      {"ncclAllReduce", all_reduce},
      {"ncclAllGather", all_gather},
      {"ncclAlltoAll", all_to_all},
      {"ncclBroadcast", broadcast},
      {"ncclReduceScatter", reduce_scatter}};
  const auto move = kMoves.find(batches[0][0].function);
  if (move != kMoves.end()) move->second(batches);  // joining moves nothing
  return {};
}

}  // namespace moecal::tests
