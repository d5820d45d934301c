// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/nccl_call.hpp"
#include "collectives/nccl_dtype.hpp"

namespace moecal::collectives {

void all_reduce_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream) {
  const auto type = static_cast<ncclDataType_t>(nccl_dtype(shape.dtype));
  const auto count = static_cast<std::size_t>(shape.elements());
  finish_call(
      ncclAllReduce(tensors.send, tensors.receive, count, type, ncclSum, group.handle, stream),
      {"ncclAllReduce", shape.bytes, group});
}

}  // namespace moecal::collectives
