// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/nccl_dtype.hpp"
#include "runtime/check_nccl.hpp"

namespace moecal::collectives {
namespace {

/// What every call is told: elements per block and their type.
struct Block {
  std::size_t count;
  ncclDataType_t type;
  std::int64_t bytes;
};

Block block_of(const CollectiveShape& shape) {
  const std::int64_t bytes = all_to_all_block_bytes(shape);
  return {static_cast<std::size_t>(bytes / size_of(shape.dtype)),
          static_cast<ncclDataType_t>(nccl_dtype(shape.dtype)), bytes};
}

}  // namespace

void all_to_all_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream) {
  const Block block = block_of(shape);
  check(ncclAlltoAll(tensors.send, tensors.receive, block.count, block.type, group, stream),
        "ncclAlltoAll of " + std::to_string(shape.bytes) + " bytes");
}

void all_to_all_nccl_send_recv(const CollectiveShape& shape, const CollectiveTensors& tensors,
                               NcclCommunicator group, Stream stream) {
  const Block block = block_of(shape);
  check(ncclGroupStart(), "ncclGroupStart");
  for (int peer = 0; peer < shape.group; ++peer) {
    const std::int64_t offset = peer * block.bytes;
    check(ncclSend(tensors.send + offset, block.count, block.type, peer, group, stream),
          "ncclSend of " + std::to_string(block.bytes) + " bytes to rank " + std::to_string(peer));
    check(
        ncclRecv(tensors.receive + offset, block.count, block.type, peer, group, stream),
        "ncclRecv of " + std::to_string(block.bytes) + " bytes from rank " + std::to_string(peer));
  }
  check(ncclGroupEnd(),
        "ncclGroupEnd of an all-to-all of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
