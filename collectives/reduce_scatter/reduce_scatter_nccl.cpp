// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_call.hpp"
#include "collectives/nccl_dtype.hpp"
#include "collectives/reduce_scatter/reduce_scatter.hpp"

namespace moecal::collectives {

void reduce_scatter_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                         NcclCommunicator group, Stream stream) {
  const auto type = static_cast<ncclDataType_t>(nccl_dtype(shape.dtype));
  const auto count =
      static_cast<std::size_t>(reduce_scatter_buffers(shape).receive / size_of(shape.dtype));
  finish_call(
      ncclReduceScatter(tensors.send, tensors.receive, count, type, ncclSum, group.handle, stream),
      {"ncclReduceScatter", shape.bytes, group});
}

}  // namespace moecal::collectives
