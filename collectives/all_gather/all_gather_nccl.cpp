// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_gather/all_gather.hpp"
#include "collectives/nccl_call.hpp"
#include "collectives/nccl_dtype.hpp"

namespace moecal::collectives {

void all_gather_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream) {
  const auto type = static_cast<ncclDataType_t>(nccl_dtype(shape.dtype));
  const auto count =
      static_cast<std::size_t>(all_gather_buffers(shape).send / size_of(shape.dtype));
  finish_call(ncclAllGather(tensors.send, tensors.receive, count, type, group.handle, stream),
              {"ncclAllGather", shape.bytes, group});
}

}  // namespace moecal::collectives
