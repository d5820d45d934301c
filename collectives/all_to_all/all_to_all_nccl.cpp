// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all/all_to_all.hpp"
#include "collectives/nccl_call.hpp"
#include "collectives/nccl_dtype.hpp"
#include "core/error.hpp"

// From NCCL 2.28 on: declared here too, since older headers do not, and null in an older library.
extern "C" ncclResult_t ncclAlltoAll(const void* sendbuff, void* recvbuff, std::size_t count,
                                     ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream);
#pragma weak ncclAlltoAll

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

void all_to_all_check_nccl(const CollectiveShape&) {
  if (&ncclAlltoAll == nullptr)
    throw Unsupported{
        "the NCCL library at hand has no ncclAlltoAll (2.28 has): nccl_send_recv is "
        "measured alone"};
}

void all_to_all_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream) {
  const Block block = block_of(shape);
  finish_call(
      ncclAlltoAll(tensors.send, tensors.receive, block.count, block.type, group.handle, stream),
      {"ncclAlltoAll", shape.bytes, group});
}

void all_to_all_nccl_send_recv(const CollectiveShape& shape, const CollectiveTensors& tensors,
                               NcclCommunicator group, Stream stream) {
  const Block block = block_of(shape);
  NcclGroupCall exchange;
  for (int peer = 0; peer < shape.group; ++peer) {
    const std::int64_t offset = peer * block.bytes;
    check_call(ncclSend(tensors.send + offset, block.count, block.type, peer, group.handle, stream),
               {"ncclSend", block.bytes, group, peer});
    check_call(
        ncclRecv(tensors.receive + offset, block.count, block.type, peer, group.handle, stream),
        {"ncclRecv", block.bytes, group, peer});
  }
  exchange.launch({"ncclGroupEnd of an all-to-all", shape.bytes, group});
}

}  // namespace moecal::collectives
