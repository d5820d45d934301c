// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/broadcast/broadcast.hpp"
#include "collectives/nccl_call.hpp"
#include "collectives/nccl_dtype.hpp"

namespace moecal::collectives {

void broadcast_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    NcclCommunicator group, Stream stream) {
  const auto type = static_cast<ncclDataType_t>(nccl_dtype(shape.dtype));
  const auto count = static_cast<std::size_t>(broadcast_buffers(shape).send / size_of(shape.dtype));
  finish_call(ncclBroadcast(tensors.send, tensors.receive, count, type, 0, group.handle, stream),
              {"ncclBroadcast", shape.bytes, group});
}

}  // namespace moecal::collectives
