print("logbeam-spool")
